// The openai package against the server: node openai.mjs URL REQUEST; prints what it understood as one line of JSON.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: `${process.argv[2]}/v1`, apiKey: "none", maxRetries: 0 });
const request = JSON.parse(process.argv[3]);

let thinking = "", content = "", calls = [];
if (request.stream) {
  for await (const chunk of await client.chat.completions.create(request)) {
    const delta = chunk.choices[0]?.delta ?? {};
    thinking += delta.reasoning_content ?? "";
    content += delta.content ?? "";
    for (const { index, function: call } of delta.tool_calls ?? []) {
      calls[index] ??= { name: "", arguments: "" };
      calls[index].name += call.name ?? "";
      calls[index].arguments += call.arguments ?? "";
    }
  }
} else {
  const { message } = (await client.chat.completions.create(request)).choices[0];
  thinking = message.reasoning_content ?? "";
  content = message.content ?? "";
  calls = (message.tool_calls ?? []).map(call => ({ name: call.function.name, arguments: call.function.arguments }));
}
console.log(JSON.stringify({ thinking, content, calls }));
