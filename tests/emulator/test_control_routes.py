"""Dynamic routes: a version serves only when it is deployed."""

from typing import Any

import cloudflare
import httpx
import pytest

from emulator.api import Api
from emulator.operating import GATEWAYS, Operator, refusal, result

PATH = f"{GATEWAYS}/default/routes"


def route_to(model: str) -> list[dict[str, Any]]:
    """A route that asks one model."""
    return [
        {"id": "in", "type": "start", "outputs": {"next": {"elementId": "ask"}}},
        {
            "id": "ask",
            "type": "model",
            "properties": {"provider": "workers-ai", "model": model, "timeout": 0, "retries": 0},
            "outputs": {"success": {"elementId": "out"}, "fallback": {"elementId": "out"}},
        },
        {"id": "out", "type": "end", "outputs": {}},
    ]


GLM = route_to("@cf/zai-org/glm-5.3")
KIMI = route_to("@cf/moonshotai/kimi-k2.6")
BROKEN = [{"id": "in", "type": "start", "outputs": {"next": {"elementId": "nowhere"}}}]


@pytest.fixture
def operator(fresh: Api) -> Operator:
    fresh.chat(headers={"cf-aig-gateway-id": "default"})  # creates the gateway
    return Operator(fresh)


def new_route(operator: Operator, elements: list[dict[str, Any]] = GLM, name: str = "main") -> Any:
    return result(operator.post(PATH, {"name": name, "elements": elements}))


def data(answer: httpx.Response) -> Any:
    """The own shape of lists."""
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"success", "data"}
    return answer.json()["data"]


def test_the_first_version_of_a_route_is_deployed(operator: Operator) -> None:
    made = new_route(operator)
    assert made["elements"] == GLM
    assert made["version"]["active"] == "true"
    assert made["version"]["is_valid"] is True
    assert made["deployment"]["version_id"] == made["version"]["version_id"]
    assert result(operator.get(f"{PATH}/{made['id']}")) == made


def test_a_new_version_serves_nothing_until_it_is_deployed(operator: Operator) -> None:
    route = new_route(operator)
    one = f"{PATH}/{route['id']}"
    version = result(operator.post(f"{one}/versions", {"elements": KIMI}))
    assert (version["id"], version["elements"], version["active"]) == (route["id"], KIMI, "false")
    assert result(operator.get(one))["elements"] == GLM
    deployed = result(operator.post(f"{one}/deployments", {"version_id": version["version_id"]}))
    assert deployed["elements"] == KIMI
    assert result(operator.get(one))["elements"] == KIMI
    versions = data(operator.get(f"{one}/versions"))["versions"]
    assert [item["active"] for item in versions] == ["true", "false"]
    deployments = data(operator.get(f"{one}/deployments"))["deployments"]
    assert [item["version_id"] for item in deployments] == [
        version["version_id"],
        route["version"]["version_id"],
    ]


def test_deploying_an_older_version_is_the_way_back(operator: Operator) -> None:
    route = new_route(operator)
    one = f"{PATH}/{route['id']}"
    version = result(operator.post(f"{one}/versions", {"elements": KIMI}))
    operator.post(f"{one}/deployments", {"version_id": version["version_id"]})
    operator.post(f"{one}/deployments", {"version_id": route["version"]["version_id"]})
    assert result(operator.get(one))["elements"] == GLM
    old = result(operator.get(f"{one}/versions/{version['version_id']}"))
    assert (old["elements"], old["active"]) == (KIMI, "false")


def test_a_version_that_makes_no_route_is_kept_but_not_deployed(operator: Operator) -> None:
    one = f"{PATH}/{new_route(operator)['id']}"
    version = result(operator.post(f"{one}/versions", {"elements": BROKEN}))
    assert version["is_valid"] is False
    status, code, message = refusal(
        operator.post(f"{one}/deployments", {"version_id": version["version_id"]})
    )
    assert (status, code) == (400, 7001)
    assert "end element" in message
    assert refusal(operator.post(f"{one}/deployments", {"version_id": "x"}))[:2] == (404, 7002)


def test_rename_and_delete(operator: Operator) -> None:
    route = new_route(operator)
    new_route(operator, name="taken")
    one = f"{PATH}/{route['id']}"
    assert refusal(operator.patch(one, {"name": "taken"}))[:2] == (400, 7001)
    renamed = operator.patch(one, {"name": "other"}).json()
    assert (renamed["success"], renamed["route"]["name"]) == (True, "other")
    assert renamed["route"]["elements"] == GLM
    assert result(operator.delete(one))["id"] == route["id"]
    for path in (one, f"{one}/versions", f"{one}/deployments"):
        assert refusal(operator.get(path))[:2] == (404, 7002)
    new_route(operator, name="other")


def test_lists_have_a_shape_of_their_own(operator: Operator) -> None:
    for name in ("a", "b", "c"):
        new_route(operator, name=name)
    page = data(operator.get(PATH, page=2, per_page=2))
    assert [route["name"] for route in page["routes"]] == ["c"]
    assert page["routes"][0]["account_tag"] == operator.api.endpoint.account_id
    assert (page["page"], page["per_page"], page["order_by"]) == (2, 2, "created_at")


@pytest.mark.parametrize(
    "body",
    [
        {"name": "", "elements": GLM},
        {"elements": GLM},
        {"name": "x", "elements": []},
        {"name": "x", "elements": [{"id": "a", "type": "start"}]},
        {"name": "x"},
    ],
)
def test_what_has_not_the_form_of_a_route_is_refused(operator: Operator, body: Any) -> None:
    assert refusal(operator.post(PATH, body))[:2] == (400, 7001)


def test_a_reader_reads_and_does_not_write(operator: Operator) -> None:
    assert operator.send("GET", PATH, role="reader").status_code == 200
    answer = operator.send("POST", PATH, role="reader", json={"name": "x", "elements": GLM})
    assert refusal(answer)[:2] == (403, 10000)


def test_the_official_client_reads_every_shape_strictly(operator: Operator) -> None:
    endpoint = operator.api.endpoint
    with cloudflare.Cloudflare(
        base_url=endpoint.base_url,
        api_token=endpoint.tokens["operator"],
        _strict_response_validation=True,
    ) as client:
        routes = client.ai_gateway.dynamic_routing
        place: Any = {"account_id": endpoint.account_id, "gateway_id": "default"}
        elements: Any = GLM
        made = routes.create(**place, name="sdk", elements=elements)
        assert routes.list(**place).data.routes[0].id == made.id
        assert routes.update(made.id, **place, name="renamed").route.name == "renamed"
        assert routes.get(made.id, **place).version.active == "true"
        assert len(routes.list_versions(made.id, **place).data.versions) == 1
        assert routes.delete(made.id, **place).id == made.id


def test_calls_take_the_deployed_version(operator: Operator) -> None:
    """And the next one as soon as it is deployed."""
    route = new_route(operator)
    endpoint = operator.api.endpoint
    url = f"{endpoint.gateway_base_url}/{endpoint.account_id}/default/compat/chat/completions"

    def asked() -> str:
        body = {"model": "dynamic/main", "messages": [{"role": "user", "content": "hi"}]}
        token = operator.api.auth("runtime")["authorization"]
        headers = {"cf-aig-authorization": token, "authorization": token}
        answer = operator.api.http.post(url, json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.headers["cf-aig-model"]

    assert "glm-5.3" in asked()
    version = result(operator.post(f"{PATH}/{route['id']}/versions", {"elements": KIMI}))
    assert "glm-5.3" in asked()
    deployment = {"version_id": version["version_id"]}
    operator.post(f"{PATH}/{route['id']}/deployments", deployment)
    assert "kimi-k2.6" in asked()
