// The AI SDK's providers for us.

import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { baseURL } from "../shared/world.mjs";

/** The one for servers such as ours. */
export const compatible = (apiKey) =>
  createOpenAICompatible({ name: "maas", baseURL, apiKey, includeUsage: true, supportsStructuredOutputs: true });

/** The one for OpenAI itself: `.chat` for chats, else the Responses API. */
export const openai = (apiKey) => createOpenAI({ baseURL, apiKey });

/** The one for Anthropic; sends its key as `x-api-key`. */
export const anthropic = (apiKey) => createAnthropic({ baseURL, apiKey });

/** The simulated upstream's modifiers, by the name that the first provider was given. */
export const simulated = (modifiers) => ({ providerOptions: { maas: { user: `sim:${modifiers}` } } });
