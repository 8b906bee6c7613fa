"""An emulated gateway, as the operator's commands meet it, and budgets to push to it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from wai_ops.cloudflare.control import ControlPlane, open_control_plane
from wai_ops.cloudflare.guards_api import GuardsApi
from wai_ops.config.budget_settings import BudgetSettings, BudgetWindow
from wai_ops.core.clock import SystemClock
from wai_ops.emulator.testing import WaiEmulator

MODEL = "@cf/google/gemma-4-26b-a4b-it"
CHEAP = "@cf/meta/llama-3.2-3b-instruct"


@dataclass
class Gateway:
    """One gateway of the emulator, and the operator's way to it."""

    emulator: WaiEmulator
    plane: ControlPlane
    gateway_id: str

    @property
    def api(self) -> GuardsApi:
        """The calls of the client under test."""
        return GuardsApi(self.plane, self.gateway_id)

    @property
    def environ(self) -> dict[str, str]:
        """What points `wai` here."""
        return self.emulator.environ

    def request(self, method: str, path: str = "", body: Any = None) -> Any:
        """Call the emulator as somebody else would; `path` is below the gateway."""
        return self.emulator.request(
            method, f"{_gateways(self.emulator)}/{self.gateway_id}{path}", body
        )

    def settings(self) -> dict[str, Any]:
        """The gateway object."""
        found: dict[str, Any] = self.request("GET")["result"]
        return found

    def put(self, changes: Mapping[str, Any]) -> None:
        """Change some settings, as somebody else."""
        kept = {
            k: v for k, v in self.settings().items() if k not in {"id", "created_at", "modified_at"}
        }
        self.request("PUT", "", kept | dict(changes))


@contextmanager
def new_gateway(emulator: WaiEmulator) -> Iterator[Gateway]:
    """Reset the emulator and make its gateway."""
    emulator.reset()
    body = {
        "id": emulator.gateway_id,
        "cache_invalidate_on_update": False,
        "cache_ttl": 0,
        "collect_logs": True,
        "rate_limiting_interval": 0,
        "rate_limiting_limit": 0,
    }
    emulator.request("POST", _gateways(emulator), body)
    with open_control_plane(
        base_url=emulator.base_url,
        account_id=emulator.account_id,
        token=emulator.tokens["operator"],
        clock=SystemClock(),
        is_local=True,
    ) as plane:
        yield Gateway(emulator, plane, emulator.gateway_id)


def budget(**changes: Any) -> BudgetSettings:
    """A calendar budget of five dollars a month, changed as said."""
    given: dict[str, Any] = {"limit_usd": Decimal(5), "window": BudgetWindow.MONTHLY} | changes
    return BudgetSettings(**given)


def write_budgets(folder: Path, budgets: Mapping[str, Any], **more: Any) -> None:
    """Write wai.yaml; JSON is YAML."""
    settings = {"version": "1", "budgets": dict(budgets), **more}
    (folder / "wai.yaml").write_text(json.dumps(settings))


def _gateways(emulator: WaiEmulator) -> str:
    return f"/client/v4/accounts/{emulator.account_id}/ai-gateway/gateways"
