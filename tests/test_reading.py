"""Values as portals return them, read back: known forms are exact, everything else is refused by name."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from drawing import drawn
from hypothesis import given
from hypothesis import strategies as st

from b24batch import UsageError
from b24batch.calls.values import wire_params
from b24batch.reading import to_bool, to_date, to_datetime, to_decimal

READERS = [to_bool, to_date, to_datetime, to_decimal]
#: Time zones of offices, with half hours, summer times of either half of the year, and changes of the law.
ZONES = """
    Europe/Moscow Europe/Berlin Europe/London Europe/Lisbon Europe/Istanbul Europe/Samara Asia/Almaty Asia/Kolkata
    Asia/Kathmandu Asia/Tokyo Asia/Pyongyang Asia/Kamchatka Asia/Tehran Australia/Adelaide Australia/Lord_Howe
    Pacific/Auckland Pacific/Chatham America/New_York America/Sao_Paulo America/St_Johns America/Caracas
    Pacific/Honolulu Africa/Casablanca Atlantic/Azores UTC
""".split()


def printed(day, zone, now):
    """A date as a portal's server prints it: local midnight plus the offset of today, in its time zone."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    shifted = midnight.astimezone(UTC) + now.astimezone(zone).utcoffset()
    return shifted.astimezone(zone).isoformat(timespec="seconds")[:25]  # PHP writes no seconds of an offset


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2024-05-01T03:00:00+03:00", date(2024, 5, 1)),
        ("2024-04-30T19:00:00-04:00", date(2024, 5, 1)),
        ("2024-07-15T01:00:00+02:00", date(2024, 7, 15)),
        ("2024-05-01T00:00:00+03:00", date(2024, 5, 1)),
        ("2024-05-01T00:00:00+14:00", date(2024, 5, 1)),
        ("2024-05-01T03:00:00+00:00", date(2024, 5, 1)),
        ("2024-04-30T21:00:00+00:00", date(2024, 5, 1)),
        ("2024-05-01", date(2024, 5, 1)),
        (date(2024, 5, 1), date(2024, 5, 1)),
        (datetime(2024, 5, 1, 3, tzinfo=timezone(timedelta(hours=3))), date(2024, 5, 1)),
    ],
)
def test_dates(text, day):
    """A date is that of the nearest midnight UTC, whatever its first ten characters are."""
    assert to_date(text) == day
    assert type(to_date(text)) is date


@drawn(300)
@given(
    st.dates(date(1930, 1, 1), date(2037, 12, 31)),
    st.sampled_from(ZONES),
    st.datetimes(datetime(2022, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),
)
def test_dates_of_every_zone(day, zone, now):
    """A date comes back from a server in any time zone, asked in summer or winter."""
    assert to_date(printed(day, ZoneInfo(zone), now)) == day


REFUSED = {
    to_date: [
        *("01.05.2024", "05/01/2024", "2024-5-1", "20240501", "2024-02-31", "2024-05-01 03:00:00", " 2024-05-01"),
        *("2024-05-01T03:00:00", "2024-05-01T17:34:56+03:00", "2024-05-01T12:00:00+00:00", "0000-00-00"),
        *("2024-05-01T04:34:56+03:00", "2024-04-30T18:59:00-05:00", "2024-05-01T02:00:00.5+03:00"),
        *("2024-05-01T03:00:01+00:00", "2024-04-30T20:59:59+00:00"),
        *("2024-05-01T03:15:00+00:00", "2024-04-30T20:45:00+00:00", "2024-05-01T03:00:00-00:01"),
        *("-0001-11-30T00:00:00+02:30", "0001-01-01T03:00:00+14:00", "9999-12-31T23:00:00+00:00", "2024-05-01\n"),
        *("\u0662024-05-01", 20240501, 1714521600, True, [], {"date": "2024-05-01"}, datetime(2024, 5, 1)),
    ],
    to_datetime: [
        *("2024-05-01", "2024-05-01T10:00:00", "2024-05-01 10:00:00+03:00", "01.05.2024 10:00:00", "20240501T100000Z"),
        *("2024-05-01T25:00:00+03:00", "2024-05-01T10:00+03:00", "2024-02-31T10:00:00+03:00", "now", "0"),
        *("2024-05-01T10:00:00+0300", "2024-05-01T10:00:00 03:00", "2024-05-01T10:00:00+99:00"),
        *(1714521600, 1.5, False, [], date(2024, 5, 1), datetime(2024, 5, 1, 10), "2024-05-01T10:00:00Z\n"),
    ],
    to_decimal: [
        *(
            "1 000.50",
            "1,50",
            "1,000.50",
            "10.50|EUR",
            "|EUR",
            "10.50 €",
            "abc",
            " ",
            "1.",
            ".5",
            "+1",
            "0x10",
            "1_000",
        ),
        *("NaN", "Infinity", "\u0661", "1e9999", "1\n", float("inf"), Decimal("NaN"), Decimal("inf")),
        *(True, False, [], ["1"], {}, b"1", 1j),
    ],
    to_bool: [
        *("y", "n", "Yes", "on", "TRUE", "2", " ", "Y ", "No", 2, -1, 0.5, b"Y", date(2024, 5, 1), Decimal("sNaN")),
        *([], {}, ["Y"], ([],)),
    ],
}


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_what_is_refused(reader):
    """A value in any other form is an error that names the function, the value and the form that was expected."""
    for value in REFUSED[reader]:
        with pytest.raises(UsageError, match=r"expected .* got ") as refused:
            reader(value)
        assert str(refused.value).startswith(f"USAGE: {reader.__name__}: expected ")
        assert repr(value) in str(refused.value)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_empty_values(reader):
    """What stands for no value is None, also as pandas writes it."""
    import pandas as pd

    assert [reader(value) for value in (None, "", float("nan"), pd.NaT, pd.NA)] == [None] * 5


def test_a_currency_is_not_dropped():
    """An amount with a currency is not a number: the message says which part of it is."""
    with pytest.raises(UsageError, match=r"the part before the \| is the amount, got '10.50\|EUR'"):
        to_decimal("10.50|EUR")


def test_amounts():
    """A number keeps its digits: those of a text, and those that JSON had for a float."""
    values = ["10.50", "-0.10", "0", "1000000.0000", "1.0e+17", 10, 10.1, 1e17, Decimal("1.50"), 2**70]
    assert to_decimal(10**5000) == 10**5000
    assert [str(to_decimal(value)) for value in values] == [
        *("10.50", "-0.10", "0", "1000000.0000", "1.0E+17", "10", "10.1", "1E+17", "1.50", str(2**70)),
    ]


def test_booleans():
    """Yes and no in all the forms that portals return."""
    assert [to_bool(value) for value in ("Y", "1", 1, True, "true", 1.0)] == [True] * 6
    assert [to_bool(value) for value in ("N", "0", 0, False, "false", 0.0)] == [False] * 6


def test_times():
    """A time keeps its offset and its fractions of a second."""
    for text in ("2024-05-01T10:00:00+03:00", "2024-05-01T10:00:00.250000-09:30"):
        assert to_datetime(text).isoformat() == text
    assert to_datetime("2024-05-01T10:00:00Z") == datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert to_datetime(datetime(2024, 5, 1, tzinfo=UTC)) == datetime(2024, 5, 1, tzinfo=UTC)


OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@drawn(300)
@given(
    st.dates(),
    st.datetimes(timezones=OFFSETS),
    st.decimals(allow_nan=False, allow_infinity=False, places=4),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
)
def test_what_is_sent_is_read_back(day, moment, amount, number, ratio, truth):
    """Each value that the library encodes is read back from what it sends."""
    values = [day, moment, amount, number, ratio]
    sent = wire_params({"fields": values}, "crm.deal.add")["fields"]
    readers = (to_date, to_datetime, to_decimal, to_decimal, to_decimal)
    assert [reader(value) for reader, value in zip(readers, sent, strict=True)] == [*values[:4], Decimal(repr(ratio))]
    for method in ("crm.deal.add", "tasks.task.add", "landing.block.add"):  # a letter, a letter, a flag
        assert to_bool(wire_params({"fields": {"X": truth}}, method)["fields"]["X"]) is truth


def test_columns(b24):
    """Columns of rows from a portal become numbers, dates and booleans, with None where there is no value."""
    import pandas as pd

    deals = [
        {"TITLE": "A", "OPPORTUNITY": "10.50", "CLOSEDATE": date(2026, 5, 1), "OPENED": True},
        {"TITLE": "B", "OPPORTUNITY": "20.00", "CLOSEDATE": date(2026, 11, 30), "OPENED": False},
    ]
    b24.batch([("crm.deal.add", {"fields": deal}) for deal in deals]).raise_for_errors()
    frame = pd.DataFrame(b24.call_list("crm.deal.list", {"select": ["*"]}))
    assert frame["OPPORTUNITY"].map(to_decimal).sum() == Decimal("30.50")
    assert list(frame["CLOSEDATE"].map(to_date)) == [date(2026, 5, 1), date(2026, 11, 30)]
    assert list(frame["OPENED"].map(to_bool)) == [True, False]
    assert to_date(frame["MOVED_TIME"][0]) is None
    assert to_datetime(frame["DATE_CREATE"][0]).utcoffset() == timedelta(hours=3)
