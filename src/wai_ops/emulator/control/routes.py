"""The paths of the control plane, each with the permission group that it needs."""

from collections.abc import Callable, Iterator

from starlette.routing import Route

from wai_ops.emulator.control import (
    ai_lists,
    evaluations,
    gateways_api,
    kv_namespaces,
    kv_values,
    logpush,
    policies_api,
    provider_configs,
    routes_api,
    tokens,
    worker_parts,
    worker_services,
    workers,
)
from wai_ops.emulator.gateway import endpoints
from wai_ops.emulator.identity import Permission

_Make = Callable[..., Route]


def control_routes(route: _Make, api: str, account: str) -> list[Route]:
    """The routes; `route(method, path, handler, permission)` makes one."""
    return [
        *_gateway_routes(route, f"{account}/ai-gateway"),
        *_dynamic_routes(route, f"{account}/ai-gateway/gateways/{{gateway_id}}/routes"),
        *_policy_routes(route, f"{account}/ai-gateway/gateways/{{gateway_id}}/policies"),
        *_kv_routes(route, f"{account}/storage/kv/namespaces"),
        *_worker_routes(route, f"{account}/workers"),
        *_logpush_routes(route, f"{account}/logpush"),
        *_ai_routes(route, f"{account}/ai"),
        route("GET", f"{api}/user", tokens.get_user),
        route("GET", f"{api}/memberships", tokens.list_memberships),
        route("GET", f"{api}/accounts", tokens.list_accounts),
        route("GET", account, tokens.get_account),
        *_token_routes(route, f"{api}/user/tokens"),
        *_token_routes(route, f"{account}/tokens"),
    ]


def _gateway_routes(route: _Make, path: str) -> Iterator[Route]:
    read, write = Permission.GATEWAY_METADATA_READ, Permission.GATEWAY_WRITE
    gateways = f"{path}/gateways"
    one = f"{gateways}/{{gateway_id}}"
    custom = f"{path}/custom-providers"
    yield route("GET", gateways, endpoints.list_gateways, read)
    yield route("GET", one, endpoints.get_gateway, read)
    yield route("POST", gateways, gateways_api.create_gateway, write)
    yield route("PUT", one, gateways_api.replace_gateway, write)
    yield route("DELETE", one, gateways_api.delete_gateway, write)
    yield route("GET", f"{one}/url/{{provider}}", gateways_api.get_url, read)
    yield route("GET", f"{one}/provider_configs", provider_configs.list_configs, read)
    # A key goes into the Secrets Store, and that permission is the one that counts.
    yield route(
        "POST",
        f"{one}/provider_configs",
        provider_configs.create_config,
        Permission.SECRETS_STORE_WRITE,
    )
    yield route("GET", custom, provider_configs.list_custom, read)
    yield route("POST", custom, provider_configs.create_custom, write)
    yield route("GET", f"{custom}/{{provider_id}}", provider_configs.get_custom, read)
    yield route("DELETE", f"{custom}/{{provider_id}}", provider_configs.delete_custom, write)
    yield route("GET", f"{path}/evaluation-types", evaluations.list_types, read)
    yield route("GET", f"{one}/datasets", evaluations.list_datasets, read)
    yield route("POST", f"{one}/datasets", evaluations.create_dataset, write)
    yield route("GET", f"{one}/datasets/{{id}}", evaluations.get_dataset, read)
    yield route("PUT", f"{one}/datasets/{{id}}", evaluations.replace_dataset, write)
    yield route("DELETE", f"{one}/datasets/{{id}}", evaluations.delete_dataset, write)
    yield route("GET", f"{one}/evaluations", evaluations.list_evaluations, read)
    yield route("POST", f"{one}/evaluations", evaluations.create_evaluation, write)
    yield route("GET", f"{one}/evaluations/{{id}}", evaluations.get_evaluation, read)
    yield route("DELETE", f"{one}/evaluations/{{id}}", evaluations.delete_evaluation, write)


def _dynamic_routes(route: _Make, path: str) -> Iterator[Route]:
    read, write = Permission.GATEWAY_METADATA_READ, Permission.GATEWAY_WRITE
    one = f"{path}/{{route_id}}"
    yield route("GET", path, routes_api.list_routes, read)
    yield route("POST", path, routes_api.create_route, write)
    yield route("GET", one, routes_api.get_one, read)
    yield route("PATCH", one, routes_api.rename_route, write)
    yield route("DELETE", one, routes_api.delete_route, write)
    yield route("GET", f"{one}/versions", routes_api.list_versions, read)
    yield route("POST", f"{one}/versions", routes_api.create_version, write)
    yield route("GET", f"{one}/versions/{{version_id}}", routes_api.get_version, read)
    yield route("GET", f"{one}/deployments", routes_api.list_deployments, read)
    yield route("POST", f"{one}/deployments", routes_api.create_deployment, write)


def _policy_routes(route: _Make, path: str) -> Iterator[Route]:
    # Their page knows no permission that only reads.
    write = Permission.GATEWAY_WRITE
    one = f"{path}/{{policy_id}}"
    yield route("GET", path, policies_api.list_policies, write)
    yield route("POST", path, policies_api.create_policy, write)
    yield route("POST", f"{path}/commit", policies_api.commit_policies, write)
    yield route("POST", f"{path}/simulate", policies_api.simulate_policies, write)
    yield route("GET", one, policies_api.get_policy, write)
    yield route("PUT", one, policies_api.update_policy, write)
    yield route("DELETE", one, policies_api.delete_policy, write)


def _kv_routes(route: _Make, path: str) -> Iterator[Route]:
    read, write = Permission.KV_READ, Permission.KV_WRITE
    one = f"{path}/{{namespace_id}}"
    yield route("GET", path, kv_namespaces.list_namespaces, read)
    yield route("POST", path, kv_namespaces.create_namespace, write)
    yield route("GET", one, kv_namespaces.get_namespace, read)
    yield route("PUT", one, kv_namespaces.rename_namespace, write)
    yield route("DELETE", one, kv_namespaces.delete_namespace, write)
    yield route("GET", f"{one}/keys", kv_values.list_keys, read)
    yield route("PUT", f"{one}/values/{{key:path}}", kv_values.put_value, write)
    yield route("GET", f"{one}/values/{{key:path}}", kv_values.get_value, read)
    yield route("DELETE", f"{one}/values/{{key:path}}", kv_values.delete_value, write)
    yield route("GET", f"{one}/metadata/{{key:path}}", kv_values.get_metadata, read)
    yield route("PUT", f"{one}/bulk", kv_values.bulk_put, write)
    yield route("POST", f"{one}/bulk/get", kv_values.bulk_get, read)
    yield route("POST", f"{one}/bulk/delete", kv_values.bulk_delete, write)


def _worker_routes(route: _Make, path: str) -> Iterator[Route]:
    read, write = Permission.SCRIPTS_READ, Permission.SCRIPTS_WRITE
    scripts = f"{path}/scripts"
    one = f"{scripts}/{{name}}"
    yield route("GET", f"{path}/subdomain", worker_parts.get_account_subdomain, read)
    yield route("GET", f"{path}/durable_objects/namespaces", workers.list_objects, read)
    yield route("GET", f"{path}/workers/{{name}}", worker_services.get_worker, read)
    yield route("GET", f"{path}/services/{{name}}", worker_services.get_service, read)
    yield route("DELETE", f"{path}/services/{{name}}", worker_services.delete_service, write)
    yield route("GET", scripts, workers.list_scripts, read)
    yield route("PUT", one, workers.upload_script, write)
    yield route("GET", one, workers.get_script, read)
    yield route("GET", f"{one}/content/v2", workers.get_script, read)
    yield route("DELETE", one, workers.remove_script, write)
    yield route("GET", f"{one}/settings", workers.get_settings, read)
    yield route("PATCH", f"{one}/settings", workers.patch_settings, write)
    yield route("GET", f"{one}/script-settings", workers.get_script_settings, read)
    yield route("PATCH", f"{one}/script-settings", workers.patch_script_settings, write)
    yield route("GET", f"{one}/secrets", worker_parts.list_secrets, read)
    yield route("PUT", f"{one}/secrets", worker_parts.put_secret, write)
    yield route("GET", f"{one}/secrets/{{secret}}", worker_parts.get_secret, read)
    yield route("DELETE", f"{one}/secrets/{{secret}}", worker_parts.delete_secret, write)
    yield route("PATCH", f"{one}/secrets-bulk", worker_parts.patch_secrets, write)
    yield route("GET", f"{one}/versions", worker_parts.list_versions, read)
    yield route("POST", f"{one}/versions", worker_parts.create_version, write)
    yield route("GET", f"{one}/versions/{{version_id}}", worker_parts.get_version, read)
    yield route("GET", f"{one}/deployments", worker_parts.list_deployments, read)
    yield route("POST", f"{one}/deployments", worker_parts.create_deployment, write)
    yield route("GET", f"{one}/subdomain", worker_parts.get_subdomain, read)
    yield route("POST", f"{one}/subdomain", worker_parts.set_subdomain, write)
    yield route("DELETE", f"{one}/subdomain", worker_parts.unset_subdomain, write)
    yield route("GET", f"{one}/schedules", worker_parts.get_schedules, read)
    yield route("PUT", f"{one}/schedules", worker_parts.set_schedules, write)


def _logpush_routes(route: _Make, path: str) -> Iterator[Route]:
    read, write = Permission.LOGS_READ, Permission.LOGS_WRITE
    jobs, dataset = f"{path}/jobs", f"{path}/datasets/{{dataset}}"
    yield route("GET", jobs, logpush.list_jobs, read)
    yield route("POST", jobs, logpush.create_job, write)
    yield route("GET", f"{jobs}/{{job_id}}", logpush.get_job, read)
    yield route("PUT", f"{jobs}/{{job_id}}", logpush.update_job, write)
    yield route("DELETE", f"{jobs}/{{job_id}}", logpush.delete_job, write)
    yield route("GET", f"{dataset}/fields", logpush.list_fields, read)
    yield route("GET", f"{dataset}/jobs", logpush.list_dataset_jobs, read)


def _ai_routes(route: _Make, path: str) -> Iterator[Route]:
    read = Permission.WORKERS_AI_READ
    yield route("GET", f"{path}/models/schema", ai_lists.get_schema, read)
    yield route("GET", f"{path}/authors/search", ai_lists.list_authors, read)
    yield route("GET", f"{path}/tasks/search", ai_lists.list_tasks, read)
    yield route("GET", f"{path}/finetunes", ai_lists.list_finetunes, read)
    yield route("GET", f"{path}/finetunes/public", ai_lists.list_finetunes, read)
    yield route("GET", f"{path}/tomarkdown/supported", ai_lists.list_markdown_types, read)


def _token_routes(route: _Make, path: str) -> Iterator[Route]:
    """Behind the paths of `verify`, which any of them would match as a token's id."""
    yield route("GET", f"{path}/permission_groups", tokens.list_groups)
    yield route("GET", path, tokens.list_tokens)
    yield route("GET", f"{path}/{{token_id}}", tokens.get_token)
