"""`wai tools init`: a first tool file, with every kind of tool and what policy has to say to it."""

from pathlib import Path

from wai_ops.core.errors import UsageError

FILE_NAME = "first.yaml"
STARTER = """\
# Tools that models may ask for. See what holds with `wai tools list`, find what keeps them from
# working with `wai tools check`, and try one with `wai tools call clock.now --workflow NAME`.
#
# A tool is called only where a policy allows it (policies/*.yaml, below the workflow):
#
#     tools:
#       - name: clock.now
version: 1
tools:
  - name: clock.now
    description: Tells the date and the time in UTC.
    parameters: {type: object, properties: {}}
    # An argument list, never a shell; in a folder made for the call, with a short environment.
    command:
      argv: [date, -u, "+%Y-%m-%dT%H:%M:%SZ"]
    timeout_s: 5

  # - name: crm.lookup
  #   description: Looks up a customer and the last orders.
  #   risk: low
  #   parameters:
  #     type: object
  #     properties:
  #       id: {type: string, pattern: "^c-[0-9]+$"}
  #     required: [id]
  #   # Its host needs an `outbound` rule in the policy as well.
  #   http:
  #     method: GET
  #     url: https://api.example.com/v1/customers/{id}
  #     secrets:
  #       authorization: {env: CRM_TOKEN, prefix: "Bearer "}
  #   output:
  #     pick: [name, "orders[].id", "orders[].total"]
  #     rows: 20

  # - name: docs.search
  #   description: Searches the handbook.
  #   parameters:
  #     type: object
  #     properties: {query: {type: string}}
  #     required: [query]
  #   # A server of the Model Context Protocol; needs pip install 'wai-ops[mcp]'.
  #   mcp:
  #     server: [npx, -y, "@example/handbook-mcp@1.4.2"]
  #     tool: search
"""


def write_starter(folder: Path) -> Path:
    """Write the file. Raises UsageError when it is there already, or cannot be written."""
    path = folder / FILE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(STARTER)
    except FileExistsError as error:
        raise UsageError(
            "the file exists already", where=str(path), hint="edit it, or see: wai tools list"
        ) from error
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}", where=str(path)) from error
    return path
