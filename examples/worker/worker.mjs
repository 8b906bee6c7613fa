// A Worker as it would be deployed: nothing in it knows of the emulator.
const MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast";

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const prompt = url.searchParams.get("prompt") ?? "Why is the sky blue?";
    const tenant = url.searchParams.get("tenant") ?? "acme";
    const options = {
      gateway: { id: "default", metadata: { tenant, workflow: "worker" } },
      extraHeaders: { "x-session-affinity": `${tenant}-session` },
    };
    try {
      if (url.pathname === "/stream") {
        const stream = await env.AI.run(MODEL, { prompt, stream: true }, options);
        return new Response(stream, { headers: { "content-type": "text/event-stream" } });
      }
      const answer = await env.AI.run(MODEL, { prompt }, options);
      const gateway = env.AI.gateway("default");
      await gateway.patchLog(env.AI.aiGatewayLogId, { feedback: 1 });
      const log = await gateway.getLog(env.AI.aiGatewayLogId);
      return Response.json({ answer, log });
    } catch (error) {
      return Response.json({ name: error.name, message: error.message }, { status: 502 });
    }
  },
};
