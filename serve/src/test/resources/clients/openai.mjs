// The openai package against the server: node openai.mjs URL; prints what it got as one line of JSON.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: `${process.argv[2]}/v1`, apiKey: "none", maxRetries: 0 });
const request = {
  model: "tiny", messages: [{ role: "user", content: "Hello" }], seed: 7, max_tokens: 60,
  thinking: { type: "enabled", budget_tokens: 20 },
};
const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object", properties: { city: { enum: ["Rome", "Oslo"] } }, required: ["city"] } } }];
const schema = { type: "object", properties: { age: { type: "integer", minimum: 0, maximum: 9 } }, required: ["age"], additionalProperties: false };

const whole = await client.chat.completions.create(request);
let thinking = "", content = "";
for await (const chunk of await client.chat.completions.create({ ...request, stream: true })) {
  thinking += chunk.choices[0]?.delta.reasoning_content ?? "";
  content += chunk.choices[0]?.delta.content ?? "";
}
const called = await client.chat.completions.create({ ...request, max_tokens: 200, tools, tool_choice: "required" });
const json = await client.chat.completions.create({ ...request, response_format: { type: "json_schema", json_schema: { name: "age", strict: true, schema } } });
const models = await client.models.list();
console.log(JSON.stringify({
  whole: whole.choices[0].message, thinking, content, call: called.choices[0].message.tool_calls[0].function,
  json: json.choices[0].message.content, models: models.data.map(each => each.id),
}));
