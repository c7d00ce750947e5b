"""The sample flow of `headrace up --demo`: four years of Seattle's weather, one record a day, from the vega-datasets package.

It reads and checks the records of a year, maps over its months, retries a station that does not answer at first, takes
one of two branches, and keeps a chart and a summary as results.
"""

import csv
import dataclasses
import importlib.util
import logging
from collections import defaultdict
from pathlib import Path

from headrace import case, context, flow, merge, settings, task, unmapped

log = logging.getLogger("seattle")

#: Days with more rain than this, in millimetres, count as wet.
WET_DAY = 1.0


@dataclasses.dataclass(frozen=True)
class Day:
    """One day: rain in millimetres, temperatures in °C."""

    month: int
    rain: float
    warmest: float
    coldest: float


@dataclasses.dataclass(frozen=True)
class Month:
    """A month in sums and means."""

    month: int
    days: int
    wet_days: int
    rain: float
    warmest: float
    coldest: float


@task(retries=2, retry_delay=0.5, retry_on=ConnectionError)
def read(year: int) -> list[Day]:
    """The records of one year. The station never answers the first call: so you see a retry."""
    if context.attempt == 1:
        raise ConnectionError("the weather station does not answer; trying again")
    package = importlib.util.find_spec("vega_datasets")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError('the sample data is not installed: pip install "headrace[demo]"')
    path = Path(package.submodule_search_locations[0]) / "_data" / "seattle-weather.csv"
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["date"].startswith(str(year))]
    log.info("%d records of %d", len(rows), year)
    return [
        Day(
            month=int(row["date"][5:7]),
            rain=float(row["precipitation"]),
            warmest=float(row["temp_max"]),
            coldest=float(row["temp_min"]),
        )
        for row in rows
    ]


@task
def check(days: list[Day], year: int) -> dict[int, list[Day]]:
    """Days by month; a year without all its days is refused."""
    if len(days) not in (365, 366):
        raise ValueError(f"{year} has {len(days)} records; the data covers 2012 to 2015")
    for day in days:
        if day.coldest > day.warmest:
            raise ValueError(f"a night warmer than its day in month {day.month}: {day}")
    by_month: dict[int, list[Day]] = defaultdict(list)
    for day in days:
        by_month[day.month].append(day)
    return dict(by_month)


@task
def months(by_month: dict[int, list[Day]]) -> list[list[Day]]:
    return [by_month[month] for month in sorted(by_month)]


@task
def summarise(days: list[Day], wet_day: float) -> Month:
    month = Month(
        month=days[0].month,
        days=len(days),
        wet_days=sum(day.rain > wet_day for day in days),
        rain=round(sum(day.rain for day in days), 1),
        warmest=max(day.warmest for day in days),
        coldest=min(day.coldest for day in days),
    )
    log.info("month %2d: %5.1f mm of rain on %2d days", month.month, month.rain, month.wet_days)
    return month


@task
def mostly_wet(year: list[Month]) -> bool:
    return sum(month.wet_days for month in year) > sum(month.days for month in year) / 2


@task
def buy_an_umbrella() -> str:
    return "wet on most days: buy an umbrella"


@task
def plan_a_picnic(year: list[Month]) -> str:
    driest = min(year, key=lambda month: month.rain)
    return f"dry on most days: plan a picnic in month {driest.month}, which had {driest.rain} mm"


@task(persist=True)
def draw(year: int, months: list[Month]) -> str:
    """A bar chart of the year's rain as an SVG file; the value is its path."""
    tallest = max(month.rain for month in months) or 1
    bars = "".join(
        f'<rect x="{40 + 48 * at}" y="{220 - 180 * month.rain / tallest:.1f}" width="32" '
        f'height="{180 * month.rain / tallest:.1f}" fill="#0f766e"/>'
        f'<text x="{56 + 48 * at}" y="238" text-anchor="middle">{month.month}</text>'
        for at, month in enumerate(months)
    )
    text = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 260" font-family="sans-serif" font-size="12">'
        f'<text x="40" y="24" font-size="16">Rain in Seattle, {year}, mm a month</text>{bars}</svg>'
    )
    path = settings.home() / "demo" / f"seattle-rain-{year}.svg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    log.info("the chart is %s", path)
    return str(path)


@task(persist=True)
def report(year: int, months: list[Month], chart: str, advice: str) -> dict[str, str | int | float]:
    summary: dict[str, str | int | float] = {
        "year": year,
        "rain": round(sum(month.rain for month in months), 1),
        "wet_days": sum(month.wet_days for month in months),
        "warmest": max(month.warmest for month in months),
        "coldest": min(month.coldest for month in months),
        "advice": advice,
        "chart": chart,
    }
    log.info("%s", summary)
    return summary


@flow(name="seattle-weather")
def seattle_weather(year: int = 2014):
    by_month = check(read(year), year)
    by_the_month = summarise.map(months(by_month), unmapped(WET_DAY))
    wet = mostly_wet(by_the_month)
    with case(wet, True):
        umbrella = buy_an_umbrella()
    with case(wet, False):
        picnic = plan_a_picnic(by_the_month)
    return report(year, by_the_month, draw(year, by_the_month), merge(umbrella, picnic))


if __name__ == "__main__":
    seattle_weather()
