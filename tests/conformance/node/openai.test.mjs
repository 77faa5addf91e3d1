// The official SDK for Node.
import assert from "node:assert/strict";
import { test } from "node:test";

import OpenAI, { BadRequestError, NotFoundError } from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

import { apiKey, baseURL, embedder, model, reasoner } from "./target.mjs";

const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 50_000 });
const Person = z.object({ name: z.string(), age: z.number().int() });
const ask = (content) => [{ role: "user", content }];
const tools = [
  {
    type: "function",
    function: {
      name: "weather",
      parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    },
  },
];

test("the accumulated stream is the whole answer", async () => {
  const request = { model, messages: ask("Hello"), temperature: 0, seed: 1 };
  const whole = await client.chat.completions.create(request);
  assert.ok(whole.choices[0].message.content);
  assert.ok(whole._request_id);
  const stream = client.chat.completions.stream({ ...request, stream_options: { include_usage: true } });
  let pieces = 0;
  stream.on("content", () => pieces++);
  const final = await stream.finalChatCompletion();
  assert.ok(pieces > 1);
  assert.equal(final.choices[0].message.content, whole.choices[0].message.content);
  assert.equal((await stream.totalUsage()).completion_tokens, whole.usage.completion_tokens);
});

for (const tool_choice of ["auto", "required", { type: "function", function: { name: "weather" } }]) {
  test(`a tool is called, tool_choice ${JSON.stringify(tool_choice)}`, async () => {
    const request = { model, messages: ask("What is the weather in Zürich?"), tools, tool_choice };
    const whole = await client.chat.completions.create(request);
    const streamed = await client.chat.completions.stream(request).finalChatCompletion();
    for (const answer of [whole, streamed]) {
      const [call] = answer.choices[0].message.tool_calls;
      assert.equal(call.function.name, "weather");
      assert.deepEqual(JSON.parse(call.function.arguments), { city: "Zürich" });
    }
  });
}

for (const stream of [false, true]) {
  test(`runTools calls the function and goes on, ${stream ? "streamed" : "whole"}`, async () => {
    const asked = [];
    const weather = {
      type: "function",
      function: {
        ...tools[0].function,
        description: "The weather in a city.",
        parse: JSON.parse,
        function: ({ city }) => {
          asked.push(city);
          return "Sunny, 21 degrees.";
        },
      },
    };
    const messages = ask("What is the weather in Zürich?");
    const runner = client.chat.completions.runTools({ model, messages, tools: [weather], stream });
    assert.ok(await runner.finalContent());
    assert.deepEqual(asked, ["Zürich"]);
  });
}

test("parse gives the type", async () => {
  const answer = await client.chat.completions.parse({
    model,
    messages: ask("Anna is 31. Who is it?"),
    response_format: zodResponseFormat(Person, "person"),
  });
  assert.deepEqual(answer.choices[0].message.parsed, { name: "Anna", age: 31 });
});

test("reasoning stands apart", { skip: reasoner ? false : "no reasoning model was named" }, async () => {
  const answer = await client.chat.completions.create({ model: reasoner, messages: ask("Hello") });
  assert.ok(answer.choices[0].message.reasoning_content);
  assert.ok(!answer.choices[0].message.content.includes("</think>"));
});

test("completions stream", async () => {
  const request = { model, prompt: "Once upon a time", max_tokens: 6, temperature: 0, seed: 1 };
  const whole = await client.completions.create(request);
  let text = "";
  for await (const chunk of await client.completions.create({ ...request, stream: true })) text += chunk.choices[0].text;
  assert.equal(text, whole.choices[0].text);
});

test("embeddings, as base64 and as numbers", { skip: embedder ? false : "no embedding model was named" }, async () => {
  const request = { model: embedder, input: ["A text.", "Another one."] };
  const one = await client.embeddings.create(request);
  const other = await client.embeddings.create({ ...request, encoding_format: "float" });
  assert.equal(one.data.length, 2);
  one.data[0].embedding.forEach((value, at) => assert.ok(Math.abs(value - other.data[0].embedding[at]) < 1e-5));
});

test("models are listed", async () => {
  const names = [];
  for await (const each of client.models.list()) names.push(each.id);
  assert.ok(names.includes(model));
});

test("errors are the SDK's", async () => {
  const unknown = client.chat.completions.create({ model: "no-such-model", messages: ask("Hello") });
  await assert.rejects(unknown, (error) => error instanceof NotFoundError && error.code === "model_not_found");
  const hot = client.chat.completions.create({ model, messages: ask("Hello"), temperature: 9, stream: true });
  await assert.rejects(hot, (error) => error instanceof BadRequestError && error.param === "temperature");
});

test("a stream that is left ends", async () => {
  const stream = await client.chat.completions.create({ model, messages: ask("Hello"), stream: true });
  for await (const chunk of stream) {
    assert.equal(chunk.object, "chat.completion.chunk");
    break;
  }
  assert.ok(stream.controller.signal.aborted);
});
