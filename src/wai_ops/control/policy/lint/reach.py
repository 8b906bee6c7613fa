"""WG003, WG014, WG015, WG016, WG018: where requests may go."""

from collections.abc import Iterator

from wai_ops.control.policy.compiled import OutboundRule, WorkflowPolicy, fits_name
from wai_ops.control.policy.lint.look import Look, found
from wai_ops.control.policy.model import Effect, Scheme
from wai_ops.core.findings import Finding, Level, Rule

WIDE_HOST = Rule(
    id="WG003",
    name="wide-host",
    level=Level.ERROR,
    why="Below this name anybody can register a host: the rule allows requests to strangers.",
    fix="Write out the hosts, or `*.` below a name that belongs to one owner.",
)
PLAIN_HTTP = Rule(
    id="WG014",
    name="plain-http",
    level=Level.WARNING,
    why="Without TLS anybody on the way reads and changes requests and answers.",
    fix="Use https; keep http for hosts of your own network.",
)
PRIVATE = Rule(
    id="WG015",
    name="private-host",
    level=Level.WARNING,
    why="`allow_private` opens services behind the firewall, and only together with the host's "
    "addresses in wai.yaml: one without the other does nothing.",
    fix="Name the host's addresses under policy.private_hosts in wai.yaml, or leave "
    "`allow_private` out.",
)
UNUSED = Rule(
    id="WG016",
    name="unused-outbound",
    level=Level.WARNING,
    why="The rule is for tools that this workflow may not call, so it opens nothing and will open "
    "something once such a tool is allowed.",
    fix="Allow the tool under `tools`, or remove the rule.",
)
WHOLE_HOST = Rule(
    id="WG018",
    name="whole-host",
    level=Level.NOTE,
    why="The prefix / allows every path of the host, also with methods that change something.",
    fix="Name the paths that are needed.",
)
RULES = (WIDE_HOST, PLAIN_HTTP, PRIVATE, UNUSED, WHOLE_HOST)
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_NAMES = """
ac.uk co.uk gov.uk ltd.uk me.uk net.uk org.uk plc.uk com.au net.au org.au edu.au gov.au
co.nz org.nz co.za org.za com.br net.br org.br co.in net.in org.in gov.in co.jp ne.jp or.jp
ac.jp co.kr or.kr com.cn net.cn org.cn com.tw com.hk com.sg com.my co.id co.th com.mx com.ar
com.co com.tr com.ua com.pl co.il com.ph com.vn uk.com eu.com us.com de.com
workers.dev pages.dev r2.dev trycloudflare.com cloudflareapps.com github.io gitlab.io
githubusercontent.com bitbucket.io herokuapp.com vercel.app netlify.app now.sh web.app
firebaseapp.com appspot.com run.app cloudfunctions.net blogspot.com azurewebsites.net
azureedge.net cloudapp.net core.windows.net blob.core.windows.net cloudfront.net
amazonaws.com s3.amazonaws.com elasticbeanstalk.com awsapprunner.com digitaloceanspaces.com
ondigitalocean.app fly.dev onrender.com railway.app deno.dev glitch.me repl.co replit.app
surge.sh ngrok.io ngrok.app ngrok-free.app loca.lt duckdns.org dyndns.org no-ip.org sslip.io
nip.io readthedocs.io myshopify.com wordpress.com zendesk.com slack.com
"""
_SHARED = frozenset(_NAMES.split())
"""Names below which hosts belong to many owners: registries and hosting. Not complete."""


def check_hosts(look: Look) -> Iterator[Finding]:
    """Look at every permission for requests."""
    for policy in look.workflows:
        for rule in policy.outbound:
            if rule.effect is Effect.ALLOW:
                yield from _rule(look, policy, rule)


def _rule(look: Look, policy: WorkflowPolicy, rule: OutboundRule) -> Iterator[Finding]:
    path, place = rule.place.rule, rule.place
    if rule.host.startswith("*.") and (rule.host.count(".") == 1 or rule.host[2:] in _SHARED):
        text = f"{path} allows every host below {rule.host[2:]}, whoever owns it"
        yield found(WIDE_HOST, place, text)
    if Scheme.HTTP in rule.schemes and rule.host not in look.around.private_hosts:
        yield found(PLAIN_HTTP, place, f"{path} allows plain http")
    if rule.allow_private and rule.host not in look.around.private_hosts:
        text = f"{path} allows private addresses, and wai.yaml names none for {rule.host}"
        yield found(PRIVATE, place, text)
    if rule.tools is not None and not any(_is_allowed(policy, name) for name in rule.tools):
        text = f"{path} is for {', '.join(rule.tools)}, and no rule of the workflow allows that"
        yield found(UNUSED, place, text)
    if "/" in (rule.paths or ()) and not (rule.methods or _SAFE) <= _SAFE:
        methods = ", ".join(sorted((rule.methods or _SAFE) - _SAFE))
        yield found(WHOLE_HOST, place, f"{path} allows {methods} on every path")


def _is_allowed(policy: WorkflowPolicy, pattern: str) -> bool:
    allows = [rule.name for rule in policy.tools if rule.effect is Effect.ALLOW]
    return any(fits_name(name, pattern) or fits_name(pattern, name) for name in allows)
