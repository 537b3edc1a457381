"""Random histories of page views, and helpers to compare them."""

import json

from hypothesis import strategies as st

from behavstats.model.page_view import PageView
from behavstats.model.summary import summarise
from behavstats.model.timestamps import DAY, HOUR, MINUTE, format_instant, parse_instant

AS_OF = parse_instant("2024-03-01T10:30:00Z")  # the day after a leap day

NAMES = ("/", "/a", "/b", "/é", "/😀", "/B")
USERS = ("u", "v")

# The limits in the definitions: the edges of the window, midnights, gaps of 30 minutes.
_EDGES = [
    *(AS_OF - days * DAY for days in range(9)),
    *(AS_OF - AS_OF % DAY - days * DAY for days in range(9)),
    *(AS_OF - times * 30 * MINUTE for times in range(6)),
]
instants = st.one_of(
    st.builds(lambda edge, off: edge + off, st.sampled_from(_EDGES), st.integers(-1, 1)),
    st.integers(AS_OF - 9 * DAY, AS_OF + DAY),
    st.integers(AS_OF - 2 * HOUR, AS_OF),
)
page_views = st.builds(PageView, st.sampled_from(USERS), instants, st.sampled_from(NAMES))


@st.composite
def histories(draw):
    """Draw a history: page views in any order, some of them more than once."""
    views = draw(st.lists(page_views, max_size=40))
    repeated = draw(st.lists(st.sampled_from(views), max_size=10)) if views else []
    return draw(st.permutations(views + repeated))


@st.composite
def batches(draw):
    """Draw a history that is split at random."""
    history = draw(histories())
    cuts = sorted(draw(st.lists(st.integers(0, len(history)), max_size=4)))
    return [
        history[start:end] for start, end in zip([0, *cuts], [*cuts, len(history)], strict=True)
    ]


as_ofs = st.one_of(instants, st.just(AS_OF - 30 * DAY), st.just(AS_OF), st.just(AS_OF + 30 * DAY))


def summary_of(views):
    """Return the summary of pairs of an instant and a name, in order of time."""
    views = list(views)
    return summarise([instant for instant, _ in views], [name for _, name in views])


def listed(columns):
    """Return page views in columns as a list, in the same order."""
    return [
        PageView(columns.user_ids[user], instant, columns.names[page])
        for user, instant, page in zip(
            columns.users.tolist(), columns.instants.tolist(), columns.pages.tolist(), strict=True
        )
    ]


def triples(views):
    """Return page views in the form for the oracle."""
    return [(view.user_id, view.instant, view.name) for view in views]


def line(view, **more):
    """Return a page view as a JSON line."""
    event = {"user_id": view.user_id, "name": view.name, "timestamp": format_instant(view.instant)}
    return json.dumps(event | more).encode() + b"\n"


def expected_detail(detail):
    """Return the details of the oracle in the form of the API."""
    start, end = detail["window"]

    def text(instant):
        return None if instant is None else format_instant(instant)

    return {
        "window": {"after": text(start), "until": text(end)},
        "seconds_on_site": detail["milliseconds_on_site"] / 1000,
        "visits": detail["visits"],
        "days": detail["days"],
        "top_pages": [
            {"name": name, "views": views, "last_viewed": text(last)}
            for name, views, last in detail["top_pages"][:10]
        ],
        "first_view": text(detail["first_view"]),
        "last_view": text(detail["last_view"]),
    }


def comparable_detail(answer):
    """Return the details of a profile, with only those days that have a page view."""
    detail = dict(list(answer.items())[5:])
    detail["days"] = {day["date"]: day["views"] for day in detail["days"] if day["views"]}
    return detail
