from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sarseg.errors import UsageError
from sarseg.scenes.acquisition import Acquisition, acquisition_of, parse_acquisition


def at(text: str, end: str | None = None) -> Acquisition:
    start, last = (datetime.fromisoformat(f"{each}+00:00") for each in (text, end or text))
    return Acquisition(start, last)


def day(text: str, last: str | None = None) -> Acquisition:
    return at(f"{text}T00:00:00", f"{last or text}T23:59:59")


PASS = at("2020-01-01T05:43:21", "2020-01-01T05:43:46")
PRODUCT = "S1A_IW_GRDH_1SDV_20200101T054321_20200101T054346_030612_0381F4_ABCD"

NAMES = {
    f"{PRODUCT}.zip": PASS,
    f"/data/{PRODUCT}.SAFE/manifest.safe": PASS,
    f"{PRODUCT}_Orb_Cal_TC_20240505.tif": PASS,
    "s1a-iw-grd-vv-20200101t054321-20200101t054346-030612-0381f4-001.tiff": PASS,
    f"https://x.net/{PRODUCT}_rtc/measurement/iw-vv.rtc.tiff?st=2024-05-05T01%3A02%3A03Z": PASS,
    f"/vsizip/{{/data/{PRODUCT}.zip}}/vv.tif": PASS,
    "S1A_IW_20200101T054321_DVP_RTC10_G_gpuned_ABCD_VV.tif": at("2020-01-01T05:43:21"),
    "OPERA_L2_RTC-S1_T069-147170-IW1_20200101T054321Z_20200101T060000Z_S1A_30_v1.0_VV.tif": at(
        "2020-01-01T05:43:21"
    ),
    "S1AA_20200101T054321_20200113T054321_VVP012_INT80_G_ueF_ABCD_amp.tif": at(
        "2020-01-01T05:43:21", "2020-01-13T05:43:21"
    ),
    "TSX1_SAR__SSC______SM_S_SRA_20200101T054321_20200101T054346/IMAGEDATA/IMAGE_HH.tif": PASS,
    "CSKS1_GEC_B_HI_05_HH_RA_SF_20200101054321_20200101054346.tif": PASS,
    "RS2_OK12345_PK1_DK1_FQ2_20080415_143807_HH_VV_SLC.tif": at("2008-04-15T14:38:07"),
    "2020-01-01-05-43-21_UMBRA-04_GEC.tif": at("2020-01-01T05:43:21"),
    "IMG-HH-ALOS2047473600-150414-UBSL1.5GUD.tif": day("2015-04-14"),
    "SAR_IMP_1PNESA19950415_101112_00000015.tif": at("1995-04-15T10:11:12"),
    "GF3_MYN_FSI_003270_E108.3_N34.3_20170325_L1A_HH_L10002263841.tif": day("2017-03-25"),
    "site_2020-01-01.tif": day("2020-01-01"),
    "20200101.tif": day("2020-01-01"),
    "20200101_20200113_mean.tif": day("2020-01-01", "2020-01-13"),
    "20200101_996099.tif": day("2020-01-01"),
    "2020_01_01/vv.tif": None,
    "vv.tif": None,
    "20200231.tif": None,
    "20201301.tif": None,
    "19770101.tif": None,
    "21200101.tif": None,
    "x_1202001012.tif": None,
    "20200101abc.tif": None,
    "2020-01_01.tif": None,
}


@pytest.mark.parametrize("name", NAMES)
def test_what_a_name_says(name: str) -> None:
    assert acquisition_of([name]) == NAMES[name]


def test_several_files_span_all_that_they_say() -> None:
    hyp3 = "S1A_IW_{}_DVP_RTC10_G_gpuned_ABCD_{}.tif"
    names = [hyp3.format("20200101T054321", layer) for layer in ("VV", "VH", "dem")]
    assert acquisition_of([*names, "dem.tif"]) == at("2020-01-01T05:43:21")
    later = hyp3.format("20200113T054322", "VV")
    assert acquisition_of([later, *names]) == at("2020-01-01T05:43:21", "2020-01-13T05:43:22")
    assert acquisition_of([]) is None


def test_tomorrow_has_no_scene() -> None:
    now = datetime.now(UTC)
    assert acquisition_of([f"{now - timedelta(days=1):%Y%m%d}.tif"]) is not None
    assert acquisition_of([f"{now + timedelta(days=1):%Y%m%d}.tif"]) is None


@given(st.text(alphabet="0123456789-_T:Z./AS1", max_size=40))
def test_any_name_is_understood_or_passed_over(name: str) -> None:
    found = acquisition_of([name])
    assert found is None or found.start <= found.end


TIMES = st.datetimes(min_value=datetime(1978, 1, 1), timezones=st.just(UTC))


@given(st.lists(TIMES, min_size=2, max_size=2).map(sorted))
def test_given_times_are_read_back(times: list[datetime]) -> None:
    start, end = times
    assert parse_acquisition(start.isoformat()) == Acquisition(start, start)
    assert parse_acquisition(f"{start.isoformat()}/{end.isoformat()}") == Acquisition(start, end)


def test_offsets_are_taken_off() -> None:
    assert parse_acquisition("2020-01-01T05:43:21Z") == at("2020-01-01T05:43:21")
    assert parse_acquisition("2020-01-01t07:43:21.5+02:00") == at("2020-01-01T05:43:21.5")
    assert parse_acquisition("2020-01-01 07:43:21+02:00").start.tzinfo is UTC


WRONG = ["", "yesterday", "2020-01", "2020-02-31", "2020-01-01/", "2020-01-01T05:43:21", "/"]
WRONG += ["2020-02-31T05:43:21Z", "2020-01-01T05:43:21Z/", "2020-01-01T05:43:21Z/a", "a/b/c"]
WRONG += ["20200101T054321Z", "0001-01-01T00:00:00+23:59", "2020-01-01T05:43:21+25:00"]


@pytest.mark.parametrize("text", WRONG)
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(
        UsageError, match=r"^'.*' is no time .* --datetime 2020-01-01, .* 2020-01-01T05:43:21Z, "
    ):
        parse_acquisition(text)


@pytest.mark.parametrize(
    "text",
    [
        "2020-01-02T00:00:00Z/2020-01-01T00:00:00Z",
        "2020-01-02/2020-01-01",
        "2020-01-02/2020-01-01T23:00:00Z",
    ],
)
def test_an_end_before_its_start_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"ends before it starts"):
        parse_acquisition(text)


def test_days_are_as_long_as_those_of_names() -> None:
    assert parse_acquisition("2020-01-01") == acquisition_of(["20200101.tif"]) == day("2020-01-01")
    assert parse_acquisition("2020-01-01/2020-01-13") == day("2020-01-01", "2020-01-13")
    assert parse_acquisition("2020-01-01T05:43:21Z/2020-01-01") == at(
        "2020-01-01T05:43:21", "2020-01-01T23:59:59"
    )
    assert parse_acquisition("2020-02-29").start.tzinfo is UTC
