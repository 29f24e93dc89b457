"""How OGX finds out whether a server is well: without a key, beside the last segment of its base URL."""

import asyncio
import sys

from ogx.providers.remote.inference.vllm.config import VLLMInferenceAdapterConfig
from ogx.providers.remote.inference.vllm.vllm import VLLMInferenceAdapter

for base_url in sys.argv[1:]:
    adapter = VLLMInferenceAdapter(config=VLLMInferenceAdapterConfig(base_url=base_url))
    health = asyncio.run(adapter.health())
    assert health["status"].value == "OK", f"{base_url}: {health}"
