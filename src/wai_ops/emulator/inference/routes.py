"""The paths of all endpoints that run models."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from wai_ops.emulator.gateway.pipeline import Pipeline
from wai_ops.emulator.gateway.refusals import invalid_provider
from wai_ops.emulator.inference import surfaces
from wai_ops.emulator.inference.batch import Batches
from wai_ops.emulator.inference.batch_door import BatchDoor
from wai_ops.emulator.inference.binding import binding_routes
from wai_ops.emulator.inference.endpoint import InferenceEndpoint
from wai_ops.emulator.inference.models import AllModels
from wai_ops.emulator.inference.surfaces import Surface
from wai_ops.emulator.services import Services

HOST_PREFIX = "/v1/"
"""What the provider serves on the gateway's own host is below this path here."""
_GATEWAY = "/v1/{account_id}/{gateway_id}"


def inference_routes(services: Services, account: str) -> list[BaseRoute]:
    """The routes, the most used first; `account` is the REST API's path of an account."""
    models = AllModels(services)
    pipeline = Pipeline(services, models)
    batches = Batches(services, models)

    def post(path: str, surface: Surface) -> Route:
        endpoint = InferenceEndpoint(services, surface, pipeline)
        return Route(path, endpoint, methods=["POST"])

    def queued(surface: Surface) -> BatchDoor:
        return BatchDoor(services, InferenceEndpoint(services, surface, pipeline), batches)

    provider = f"{_GATEWAY}/workers-ai"
    return [
        post(f"{account}/ai/v1/chat/completions", surfaces.CHAT),
        Route(f"{account}/ai/run/{{model:path}}", queued(surfaces.RUN), methods=["POST"]),
        post(f"{account}/ai/run", surfaces.UNIFIED),
        post(f"{account}/ai/v1/responses", surfaces.RESPONSES),
        post(f"{account}/ai/v1/embeddings", surfaces.EMBEDDINGS),
        post(f"{_GATEWAY}/compat/chat/completions", surfaces.COMPAT),
        post(f"{provider}/v1/chat/completions", surfaces.PROVIDER_CHAT),
        post(f"{provider}/v1/embeddings", surfaces.PROVIDER_EMBEDDINGS),
        post(f"{provider}/run/{{model:path}}", surfaces.PROVIDER_RUN),
        post(f"{provider}/{{model:path}}", surfaces.PROVIDER_RUN),
        post(_GATEWAY, surfaces.UNIVERSAL),
        Route(f"{_GATEWAY}/{{provider}}/{{rest:path}}", _foreign_provider, methods=["POST"]),
        *binding_routes(
            services,
            queued(surfaces.BINDING),
            InferenceEndpoint(services, surfaces.UNIVERSAL, pipeline),
        ),
    ]


async def _foreign_provider(request: Request) -> Response:
    raise invalid_provider(request.path_params["provider"])
