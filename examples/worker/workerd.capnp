# Runs worker.mjs in workerd, with env.AI answered by the local emulator. run.sh fills in the marks:
# the address of the emulator, and a token for it, which the Worker itself never sees.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "emulator", external = (
      address = "@EMULATOR@",
      http = (injectRequestHeaders = [(name = "Authorization", value = "Bearer @TOKEN@")])
    )),
  ],
  sockets = [(name = "http", address = "@LISTEN@", http = (), service = "main")],
);

const worker :Workerd.Worker = (
  modules = [(name = "worker.mjs", esModule = embed "worker.mjs")],
  compatibilityDate = "2026-04-01",
  # The client behind env.AI is the one of production; only its way out is ours.
  bindings = [(
    name = "AI",
    wrapped = (
      moduleName = "cloudflare-internal:ai-api",
      innerBindings = [(name = "fetcher", service = "emulator")]
    )
  )],
);
