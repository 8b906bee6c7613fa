"""Who does something, and with which credential: what decision records say, and no secret of it."""

import hashlib
import hmac
import os
from collections.abc import Mapping

from wai_ops.cli.context import AppContext
from wai_ops.config.credentials import Role
from wai_ops.config.variables import ACTOR_VARIABLE
from wai_ops.core.text import one_line

_LONGEST = 200
_CI = (
    ("github", "GITHUB_ACTIONS", ("GITHUB_REPOSITORY", "GITHUB_RUN_ID", "GITHUB_ACTOR")),
    ("gitlab", "GITLAB_CI", ("CI_PROJECT_PATH", "CI_JOB_ID", "GITLAB_USER_LOGIN")),
    ("buildkite", "BUILDKITE", ("BUILDKITE_PIPELINE_SLUG", "BUILDKITE_JOB_ID")),
    ("circleci", "CIRCLECI", ("CIRCLE_PROJECT_REPONAME", "CIRCLE_BUILD_NUM", "CIRCLE_USERNAME")),
)
"""Name -> the variable that says one is there -> what names the job and whoever began it."""


def actor_of(environ: Mapping[str, str]) -> str:
    """Who acts: `WAI_ACTOR`; else the CI job; else the user of this machine, by the system.

    Anybody who sets the environment sets the first two: they are what was claimed.
    """
    if claimed := environ.get(ACTOR_VARIABLE, "").strip():
        return one_line(claimed, _LONGEST)
    for name, mark, variables in _CI:
        if environ.get(mark):
            parts = [environ[variable] for variable in variables if environ.get(variable)]
            return one_line(f"ci:{name}:{'/'.join(parts) or 'unnamed'}", _LONGEST)
    return one_line(f"os:{_user()}", _LONGEST)


def _user() -> str:
    """The name of the process's own user: not what `USER` claims."""
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def credential_id_of(app: AppContext, role: Role, token: str) -> str:
    """Name a credential by a keyed digest: equal tokens have equal names in this state folder.

    The key is that of the masks, so that nobody without it can try tokens. Raises DataError.
    """
    from wai_ops.observe.redact.known import redaction_key

    key = redaction_key(app.settings.state_dir, makes_folder=True)
    assert key is not None
    digest = hmac.new(key, b"wai credential\0" + token.encode("utf-8", "replace"), hashlib.sha256)
    return f"{role.value}:{digest.hexdigest()[:16]}"
