"""The OpenAPI document: it is complete and valid, and describes what the server does."""

import json
from functools import cache

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from behavstats.decode.segment import Arrival
from behavstats.decode.wire import KINDS, Message, WireEvent
from behavstats.model.profile import FIELDS, MAX_DAYS, detailed_profile, window
from behavstats.model.summary import summarise
from behavstats.model.timestamps import parse_instant
from behavstats.server.auth import Scope
from behavstats.server.messages import MAX_MESSAGES, Batch, parse_batch
from behavstats.server.openapi import document, encoded
from behavstats.server.payload import parse_payload
from behavstats.server.routes import ALIASES, ROUTES
from behavstats.server.schemas import Counted, Done, Erased, Failure, Project
from tests.support.histories import AS_OF
from tests.support.keyed import SECRET_KEY, bearer, named, running

DOCUMENT = document(ROUTES)
WITH_BODY = [route for route in ROUTES if route.takes]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server with keys for all tests here."""
    with running(tmp_path_factory.mktemp("openapi")) as server:
        yield server


def described(route):
    return DOCUMENT["paths"][route.path][route.method.lower()]


def validator(schema):
    """Return a validator for a schema of the document."""
    whole = {**schema, "components": DOCUMENT["components"]}
    return Draft202012Validator(whole, validate_formats=True)


@cache
def body_validator(route):
    return validator(body_of(route)["schema"])


def body_of(route):
    return described(route)["requestBody"]["content"]["application/json"]


def answer_of(route, status):
    return described(route)["responses"][str(status)]["content"]


def test_the_document_is_valid_openapi_3_1():
    """It is checked by an independent validator, in the form in which it is sent."""
    OpenAPIV31SpecValidator(json.loads(json.dumps(DOCUMENT))).validate()
    assert DOCUMENT["openapi"] == "3.1.0"


def test_the_document_needs_no_key(server):
    """It contains no secrets."""
    status, headers, answer = server.request("GET", "/openapi.json")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    content = answer["paths"]["/v1/page"]["post"]["requestBody"]["content"]["application/json"]
    now = content["examples"]["ours"]["value"]["timestamp"]
    assert answer == json.loads(encoded(ROUTES, now, has_keys=True))


def test_the_examples_work_one_after_the_other(server):
    """A reader sends the page view and then reads the profile, without changing the examples."""
    paths = server.request("GET", "/openapi.json")[2]["paths"]
    content = paths["/v1/page"]["post"]["requestBody"]["content"]["application/json"]
    user_id = paths["/v1/user/{user_id}"]["get"]["parameters"][0]["example"]
    server.request("DELETE", f"/v1/user/{user_id}", None, bearer(SECRET_KEY))
    for count, example in enumerate(content["examples"].values(), start=1):
        body = json.dumps(example["value"]).encode()
        assert server.request("POST", "/v1/page", body, bearer(SECRET_KEY))[0] == 200
        profile = server.request("GET", f"/v1/user/{user_id}", None, bearer(SECRET_KEY))[2]
        assert profile["number_pages_viewed_in_the_last_7_days"] == count


def undescribed(schema, path):
    """Yield the paths of properties without a description in a schema.

    Readers also see the properties within anyOf and the like.
    """
    for key in ("properties", "patternProperties"):
        for name, inner in schema.get(key, {}).items():
            if not inner.get("description"):
                yield f"{path}/{name}"
            yield from undescribed(inner, f"{path}/{name}")
    for key in ("anyOf", "allOf", "oneOf"):
        for number, inner in enumerate(schema.get(key, ())):
            yield from undescribed(inner, f"{path}/{key}/{number}")
    for key in ("items", "contains", "not", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from undescribed(schema[key], f"{path}/{key}")


def test_every_field_parameter_answer_and_header_has_a_description():
    """The description names the unit, if there is one."""
    schemas = DOCUMENT["components"]["schemas"]
    missing = [where for name, schema in schemas.items() for where in undescribed(schema, name)]
    missing += [name for name, schema in schemas.items() if not schema.get("description")]
    for route in ROUTES:
        shown = described(route)
        answers = shown["responses"].values()
        parts = [*shown.get("parameters", []), *answers]
        parts += [header for answer in answers for header in answer["headers"].values()]
        missing += [part for part in parts if not part.get("description") and "$ref" not in part]
    assert missing == []
    minutes = schemas["Profile"]["patternProperties"]["^time_spent_on_site_in_last_[0-9]+_days$"]
    assert "Minutes" in minutes["description"]


def test_the_document_of_a_server_without_keys_does_not_mention_keys():
    """No route needs a key, and no answer has the status 401."""
    for methods in document(ROUTES, has_keys=False)["paths"].values():
        for shown in methods.values():
            assert shown["security"] == []
            assert "401" not in shown["responses"]
            assert "403" in shown["responses"]
    OpenAPIV31SpecValidator(json.loads(encoded(ROUTES, "now", has_keys=False))).validate()


def test_operations_have_headings_with_profiles_first_and_aliases_last():
    """Each has one heading; the same operation at another path is an alias."""
    names = [tag["name"] for tag in DOCUMENT["tags"]]
    assert (names[0], names[-1]) == ("Profiles", "Aliases")
    assert {tag for route in ROUTES for tag in described(route)["tags"]} == {*names}
    own = [route for route in ROUTES if route.tag is not ALIASES]
    assert len({(route.summary, route.kind, route.method) for route in own}) == len(own)
    assert next(iter(DOCUMENT["paths"])) == "/v1/user/{user_id}"


def test_each_operation_is_described_and_nothing_else():
    """The operations are those of the route table."""
    assert {
        f"{method.upper()} {path}"
        for path, methods in DOCUMENT["paths"].items()
        for method in methods
    } == set(map(named, ROUTES))
    names = [described(route)["operationId"] for route in ROUTES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("route", ROUTES, ids=named)
def test_each_operation_is_described_completely(route):
    """The description has the parameters, the body, the keys, and each possible status."""
    shown = described(route)
    assert shown["summary"] == route.summary
    assert bool(shown["security"]) == bool(route.scope)
    assert [parameter["name"] for parameter in shown.get("parameters", [])] == [
        parameter.name for parameter in route.parameters
    ]
    assert ("requestBody" in shown) == bool(route.takes)
    statuses = {int(status) for status in shown["responses"]}
    assert {200, 400} <= statuses
    assert (401 in statuses) == bool(route.scope)
    assert (403 in statuses) == (route.scope is Scope.EVERYTHING)
    assert statuses & {408, 413} == ({408, 413} if route.takes else set())
    assert (404 in statuses) == (route.path in {"/v1/user/{user_id}", "/docs/{file}"})
    assert (503 in statuses) == route.is_stored
    if route.is_stored:
        assert "Retry-After" in shown["responses"]["503"]["headers"]


def test_all_ways_to_give_a_key_are_described():
    """The key in the body is an exception, for clients that have no other way."""
    schemes = DOCUMENT["components"]["securitySchemes"]
    assert {scheme.get("scheme") or scheme["name"] for scheme in schemes.values()} == {
        "basic",
        "bearer",
        "X-Write-Key",
        "writeKey",
    }


@pytest.mark.parametrize(
    "kind", [WireEvent, Message, Batch, Counted, Done, Erased, Failure, Project]
)
def test_schemas_have_the_keys_of_the_types_that_decode_and_encode(kind):
    """They have exactly these keys; the keys without a default are required."""
    schema = DOCUMENT["components"]["schemas"][kind.__name__]
    fields = msgspec.structs.fields(kind)
    forbidden = {"user_id"} if kind is Message else set()
    assert set(schema["properties"]) - forbidden == {field.encode_name for field in fields}
    assert set(schema["required"]) == {field.encode_name for field in fields if field.required}


def test_limits_are_those_of_the_code():
    """They are not written down a second time."""
    days = next(
        parameter["schema"]
        for parameter in DOCUMENT["paths"]["/v1/user/{user_id}"]["get"]["parameters"]
        if parameter["name"] == "days"
    )
    assert (days["minimum"], days["maximum"]) == (1, MAX_DAYS)
    batch = DOCUMENT["components"]["schemas"]["Batch"]["properties"]["batch"]
    assert batch["maxItems"] == MAX_MESSAGES


@pytest.mark.parametrize("route", WITH_BODY, ids=named)
def test_examples_are_valid_and_the_server_accepts_them(server, route):
    """Each example is sent without changes."""
    content = body_of(route)
    assert content["examples"]
    for example in content["examples"].values():
        validator(content["schema"]).validate(example["value"])
        body = json.dumps(example["value"]).encode()
        status, _, answer = server.request("POST", route.path, body, bearer(SECRET_KEY))
        assert (status, answer["success"]) == (200, True)
        validator(answer_of(route, 200)["application/json"]["schema"]).validate(answer)
        assert answer.get("rejected", 0) == 0


def test_examples_of_parameters_are_accepted(server):
    """A profile is requested with all of them at once."""
    path = "/v1/user/{user_id}"
    parameters = DOCUMENT["paths"][path]["get"]["parameters"]
    shown = [parameter for parameter in parameters if "example" in parameter]
    values = {parameter["name"]: parameter["example"] for parameter in shown}
    assert "as_of" not in values  # a profile as of the past would not show new page views
    for parameter in shown:
        validator(parameter["schema"]).validate(parameter["example"])
    user_id = values.pop("user_id")
    assert server.send(user_id, **bearer(SECRET_KEY)) == 200
    query = "&".join(f"{name}={json.dumps(value).strip(chr(34))}" for name, value in values.items())
    status, _, answer = server.request(
        "GET", path.format(user_id=user_id) + "?" + query, None, bearer(SECRET_KEY)
    )
    assert status == 200
    schema = DOCUMENT["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    validator(schema["schema"]).validate(answer)
    validator(schema["schema"]).validate(schema["example"])


@pytest.mark.parametrize("route", ROUTES, ids=named)
def test_answers_have_the_documented_types(server, route):
    """This is true of results and of errors."""
    server.send("u", **bearer(SECRET_KEY))
    for headers in (bearer(SECRET_KEY), {}):
        status, answered, answer = server.ask(route, **headers)
        content = answer_of(route, status)
        kind = answered.get_content_type()
        assert kind in content
        if kind == "application/json":
            validator(content[kind]["schema"]).validate(answer)


@pytest.mark.parametrize("route", ROUTES, ids=named)
def test_each_answer_has_an_example_and_its_request_id(route):
    """The example has the documented type."""
    for answer in described(route)["responses"].values():
        for content in answer["content"].values():
            validator(content["schema"]).validate(content["example"])
        assert "X-Request-Id" in answer["headers"]


def test_the_schema_of_a_profile_accepts_profiles_only():
    """The window may have any length; further, wrong and missing keys are invalid."""
    valid = validator({"$ref": "#/components/schemas/Profile"}).is_valid
    shown = detailed_profile("u", summarise([AS_OF], ["/"]), window(AS_OF, 30))
    assert valid(shown)
    assert not valid(shown | {"more": 1})
    assert not valid(shown | {"visits": "1"})
    assert not valid({key: shown[key] for key in list(shown)[: len(FIELDS) - 1]})


# Valid and invalid values of a message; each text that is not a time is a valid name.
_ABSENT = object()
_NOW = parse_instant("2026-11-02T00:00:00Z")
_TIMES = ("2026-11-01T12:00:00Z", "2026-11-01T12:00:00.5+02:00", "noon", "", None, 7)
_VALUES = {
    "type": (*KINDS, "sale", "", None, 7),
    "user_id": ("u", None),
    "userId": ("u", "é" * 100, "", None, 7, "x" * 513),
    "anonymousId": ("a", "", None, 7, "x" * 513),
    "name": ("/", "", None, 7, "x" * 2049),
    "category": ("c", "", None, 7),
    "event": ("Done", "", None, 0),
    "timestamp": _TIMES,
    "originalTimestamp": _TIMES,
    "messageId": ("m", None, 7),
}
_TITLES = ("Title", "", None, 7, ["x"], "x" * 2049)
_URLS = ("https://example.org/a", "https://example.org", "/a", "", None, 7)


def _objects(values):
    """Return a strategy for objects in which each key has one of its values, or is missing."""
    pools = {key: st.sampled_from((_ABSENT, *pool)) for key, pool in values.items()}
    return st.fixed_dictionaries(pools).map(
        lambda drawn: {key: value for key, value in drawn.items() if value is not _ABSENT}
    )


_PAGES = _objects({"title": _TITLES, "path": _TITLES, "url": _URLS}) | st.sampled_from(
    (None, [], 7)
)
_MESSAGES = st.builds(
    lambda *parts: {key: value for part in parts for key, value in part.items()},
    _objects(_VALUES),
    st.just({}) | _PAGES.map(lambda page: {"properties": page}),
    st.just({}) | _PAGES.map(lambda page: {"context": {"page": page}}),
    st.just({}) | st.sampled_from((None, [], 7)).map(lambda context: {"context": context}),
)
_MOSTLY_WHOLE = st.builds(
    lambda whole, odd: whole | odd,
    st.just({"type": "page", "userId": "u", "name": "/", "timestamp": _TIMES[0]}),
    _MESSAGES.flatmap(
        lambda message: st.sets(st.sampled_from([*message] or ["type"]), max_size=2).map(
            lambda keys: {key: value for key, value in message.items() if key in keys}
        )
    ),
)


@pytest.mark.parametrize("path", ["/v1/page", "/v1/screen", "/v1/track", "/v1/batch"])
@given(message=_MESSAGES | _MOSTLY_WHOLE)
def test_a_message_is_valid_by_the_document_if_and_only_if_the_server_accepts_it(path, message):
    """Any value of the message may be missing or invalid."""
    route = next(route for route in ROUTES if route.path == path)
    is_batch = Batch in route.takes
    body = {"batch": [message]} if is_batch else message
    text = json.dumps(body).encode()
    messages = parse_batch(text).batch if is_batch else [text]
    is_accepted = parse_payload(path, messages, Arrival(_NOW, kind=route.kind)).reason is None
    assert body_validator(route).is_valid(body) == is_accepted
