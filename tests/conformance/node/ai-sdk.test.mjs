// The Vercel AI SDK with its provider for servers that speak as OpenAI does.
import assert from "node:assert/strict";
import { test } from "node:test";

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, embedMany, generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

import { apiKey, baseURL, embedder, model, reasoner } from "./target.mjs";

const provider = createOpenAICompatible({
  name: "gateway",
  baseURL,
  apiKey,
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const Person = z.object({ name: z.string(), age: z.number().int() });
const whole = { model: provider(model), maxRetries: 0 };

function weatherTool(asked) {
  return tool({
    description: "The weather in a city.",
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => {
      asked.push(city);
      return "Sunny, 21 degrees.";
    },
  });
}

test("generateText has text, a reason and the usage", async () => {
  const answer = await generateText({ ...whole, prompt: "Hello" });
  assert.ok(answer.text);
  assert.equal(answer.finishReason, "stop");
  assert.ok(answer.usage.inputTokens > 0 && answer.usage.outputTokens > 0);
});

test("streamText has the same text", async () => {
  const settings = { ...whole, prompt: "Hello", temperature: 0, seed: 1 };
  const answer = await generateText(settings);
  const stream = streamText(settings);
  const pieces = [];
  for await (const piece of stream.textStream) pieces.push(piece);
  assert.ok(pieces.length > 1);
  assert.equal(pieces.join(""), answer.text);
  assert.equal((await stream.usage).outputTokens, answer.usage.outputTokens);
});

test("a tool is called and its result used", async () => {
  const asked = [];
  const settings = { ...whole, prompt: "What is the weather in Zürich?", stopWhen: stepCountIs(3) };
  const answer = await generateText({ ...settings, tools: { weather: weatherTool(asked) } });
  assert.equal(answer.steps.length, 2);
  const stream = streamText({ ...settings, tools: { weather: weatherTool(asked) } });
  assert.equal(await stream.text, answer.text);
  assert.ok(answer.text);
  assert.deepEqual(asked, ["Zürich", "Zürich"]);
});

for (const toolChoice of ["required", { type: "tool", toolName: "weather" }]) {
  test(`a call can be demanded: ${JSON.stringify(toolChoice)}`, async () => {
    const settings = { ...whole, prompt: "What is the weather in Zürich?", toolChoice };
    const answer = await generateText({ ...settings, tools: { weather: weatherTool([]) } });
    const stream = streamText({ ...settings, tools: { weather: weatherTool([]) } });
    for (const calls of [answer.toolCalls, await stream.toolCalls]) {
      assert.deepEqual(calls.map((call) => call.input), [{ city: "Zürich" }]);
    }
  });
}

test("output has the type, whole and growing", async () => {
  const settings = { ...whole, prompt: "Anna is 31. Who is it?", output: Output.object({ schema: Person }) };
  assert.deepEqual((await generateText(settings)).output, { name: "Anna", age: 31 });
  const partial = [];
  for await (const each of streamText(settings).partialOutputStream) partial.push(each);
  assert.ok(partial.length > 1);
  assert.deepEqual(partial.at(-1), { name: "Anna", age: 31 });
});

test("reasoning stands apart", { skip: reasoner ? false : "no reasoning model was named" }, async () => {
  const settings = { model: provider(reasoner), maxRetries: 0, prompt: "Hello" };
  const answer = await generateText(settings);
  assert.ok(answer.reasoningText);
  assert.ok(!answer.text.includes("</think>"));
  const stream = streamText(settings);
  assert.equal(await stream.text, answer.text);
  assert.equal(await stream.reasoningText, answer.reasoningText);
});

test("embedMany", { skip: embedder ? false : "no embedding model was named" }, async () => {
  const { embeddings, usage } = await embedMany({
    model: provider.textEmbeddingModel(embedder),
    values: ["A text.", "Another one."],
    maxRetries: 0,
  });
  assert.equal(embeddings.length, 2);
  assert.ok(usage.tokens > 0);
});

test("an error is told in the server's words", async () => {
  const call = generateText({ model: provider("no-such-model"), maxRetries: 0, prompt: "Hello" });
  await assert.rejects(
    call,
    (error) => APICallError.isInstance(error) && error.statusCode === 404 && error.message.includes("no-such-model"),
  );
});
