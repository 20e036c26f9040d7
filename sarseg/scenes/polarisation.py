"""Which polarisation a band holds, from what its file says of it."""

import re
from collections.abc import Mapping, Sequence

POLARISATIONS = ("VV", "VH", "HV", "HH")

# Letters may not touch the name ("_vv.", "Gamma0_VV", "-vh-", "Sigma0VV"), or every word with
# two such letters in it would be a polarisation.
_NAME = re.compile(rf"(?<![A-Za-z])({'|'.join(POLARISATIONS)})(?![A-Za-z])", re.IGNORECASE)


def polarisations_in(text: str) -> tuple[str, ...]:
    """The polarisations named in ``text``, upper case, each once, in order of appearance."""
    return tuple(dict.fromkeys(name.upper() for name in _NAME.findall(text)))


def around_polarisations(text: str) -> tuple[str, ...]:
    """What stands in ``text`` before, between and after the polarisations that it names."""
    return tuple(_NAME.sub("\n", text).split("\n"))


def band_polarisations(
    file_name: str,
    file_tags: Mapping[str, str],
    descriptions: Sequence[str | None],
    band_tags: Sequence[Mapping[str, str]],
) -> tuple[str | None, ...]:
    """Polarisation of each band of a file, None where nothing names it.

    Looks at each band's description, then at its tags, then, for the file as a whole, at the tags
    about polarisation and at the file name, which count where they name as many polarisations as
    the file has bands.
    """
    found = [
        _only(polarisations_in(description or "")) or _only(_in_tags(tags))
        for description, tags in zip(descriptions, band_tags, strict=True)
    ]
    if any(found):
        return tuple(found)
    for named in (_in_tags(file_tags), polarisations_in(file_name)):
        if len(named) == len(descriptions):
            return named
    return tuple(found)


def _in_tags(tags: Mapping[str, str]) -> tuple[str, ...]:
    values = (str(value) for key, value in tags.items() if "polari" in key.lower())
    return polarisations_in(" ".join(values))


def _only(names: Sequence[str]) -> str | None:
    return names[0] if len(names) == 1 else None
