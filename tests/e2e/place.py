"""`headrace up --demo` as its users start it, and the runs that the pages show."""

import functools
import re
import subprocess
from pathlib import Path
from uuid import UUID

import msgspec

import stack as stacks
from headrace.wire import accounts, operations, runs

SHOP = Path(__file__).with_name("shop.py")
LINK = re.compile(r"Headrace is up: (\S+)")
PASSWORD = "a horse counts staples"


class Place(stacks.Stack):
    """An installation for all tests. Runs are made when somebody first looks at them."""

    def __init__(self, folder: Path) -> None:
        # the product's own times: these tests wait for people, not for leases
        super().__init__(folder, timing={})
        self.keys = folder / "keys"
        self.keys.mkdir()
        self._up: subprocess.Popen[bytes] | None = None
        self.link = ""

    def start_up(self) -> None:
        """The link that it prints is good for one sign-in."""
        self._up = self._spawn("up", ["-m", "headrace", "up", "--port", str(self.port), "--demo"])

        def link() -> str | None:
            assert self._up is not None
            assert self._up.poll() is None, self.log("up")
            found = LINK.search(self.log("up"))
            return found[1] if found else None

        self.link = self.until(link, "a link is printed", 90)
        told = (self.home / "server" / "local.json").read_bytes()
        self.local = msgspec.json.decode(told, type=stacks.Local)
        self.register(SHOP, "shop")

    def close(self) -> None:
        if self._up is not None and self._up.poll() is None:
            self.end(self._up)
        super().close()

    # --- people ---

    def add_person(self, name: str, role: accounts.UserRole) -> str:
        """Somebody with a password; the answer is their e-mail address."""
        email = f"{name}@shop.example"
        self.api.call(
            operations.create_user,
            accounts.CreateUser(name=name.title(), email=email, role=role, password=PASSWORD),
        )
        return email

    # --- runs ---

    def page_of(self, run: runs.FlowRun, tab: str = "") -> str:
        return f"/flow-runs/{run.id}" + (f"?tab={tab}" if tab else "")

    def flow_page(self, flow: str, tab: str = "") -> str:
        return f"/flows/{self.flow(flow).id}" + (f"?tab={tab}" if tab else "")

    def in_state(self, run: runs.FlowRun, name: str) -> runs.FlowRun:
        def reached() -> runs.FlowRun | None:
            found = self.api.read_flow_run(run.id)
            return found if found.state.name == name else None

        return self.until(reached, f"{run.flow} is {name}")

    def opening(self) -> runs.FlowRun:
        """A run that waits for its key."""
        return self.in_state(self.run("shop/opening", folder=str(self.keys)), "Running")

    def bring_the_key(self, run: runs.FlowRun) -> None:
        (self.keys / str(run.id)).touch()

    @functools.cached_property
    def demo(self) -> runs.FlowRun:
        """The sample flow's run, finished."""
        (run,) = [run for run in self.list_runs("demo") if run.flow == "seattle-weather"]
        return run

    @functools.cached_property
    def failed(self) -> runs.FlowRun:
        return self.in_state(self.run("shop/closing"), "Failed")

    @functools.cached_property
    def unwanted(self) -> runs.FlowRun:
        """A run that no agent can take."""
        run = self.run("shop/rendering")
        return self.until(
            lambda: found if (found := self.api.read_flow_run(run.id)).waits else None, "it says why it waits"
        )

    @functools.cached_property
    def talk(self) -> runs.FlowRun:
        """A finished run with lines of every level."""
        run = self.api.create_flow_run(flow="shop/talking", log_level="DEBUG")
        return self.in_state(run, "Success")

    def paused(self) -> runs.FlowRun:
        return self.in_state(self.run("shop/ordering"), "Paused")

    @functools.cached_property
    def paused_run(self) -> runs.FlowRun:
        """One that nobody approves."""
        return self.paused()

    @functools.cached_property
    def service_account(self) -> UUID:
        """One with a key."""
        made = self.api.call(
            operations.create_service_account, accounts.CreateServiceAccount(name="nightly", role="registrar")
        )
        self.api.call(operations.create_key, accounts.CreateKey(name="ci", service_account_id=made.id))
        return made.id
