"""Where an endpoint is asked."""

from releases.gpu.nouns import Endpoint


def openai_url(endpoint: Endpoint) -> str:
    """Where OpenAI's routes of it begin, without / at the end; "" for one that has none, such as a load balancer."""
    if chat := endpoint.urls.get("chat", ""):
        return chat.removesuffix("/chat/completions")
    run = endpoint.urls.get("run", "")
    return f"{run.removesuffix('/run')}/openai/v1" if run.endswith("/run") else ""
