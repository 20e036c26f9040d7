import pytest

from sarseg.scenes.polarisation import band_polarisations, polarisations_in


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Gamma0_VV", ("VV",)),
        ("sigma0_vh", ("VH",)),
        ("s1a-iw-grd-vh-20200101.tiff", ("VH",)),
        ("IMAGE_HH_SRA_stripNear.tif", ("HH",)),
        ("N00E000_15_sl_HV_F02DAR.tif", ("HV",)),
        ("scene_vv_vh.tif", ("VV", "VH")),
        ("VV_VV.tif", ("VV",)),
        ("Sigma0VV", ("VV",)),
        ("S1A_IW_GRDH_1SDV.tif", ()),
        ("vvardenfell_hhh.tif", ()),
        ("", ()),
    ],
)
def test_names_in_text(text: str, found: tuple[str, ...]) -> None:
    assert polarisations_in(text) == found


def test_descriptions_come_before_tags_and_the_file_name() -> None:
    found = band_polarisations("x_hh_hv.tif", {}, ["VV", None], [{}, {"POLARISATION": "VH"}])
    assert found == ("VV", "VH")


def test_file_name_and_tags_count_where_they_name_every_band() -> None:
    assert band_polarisations("x_vv_vh.tif", {}, [None, None], [{}, {}]) == ("VV", "VH")
    assert band_polarisations("x_vv.tif", {}, [None, None], [{}, {}]) == (None, None)
    assert band_polarisations("x.tif", {"polarization": "HH"}, [None], [{}]) == ("HH",)
    assert band_polarisations("x.tif", {"COMMENT": "HH"}, [None], [{}]) == (None,)
