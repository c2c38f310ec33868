"use strict";
/* The network: packed bytes to a session of ONNX Runtime, and ids to logits. */

/* A file of bytes is a script that hands them over as one text, so that a page opened from a
   folder, which may not fetch, can have them; over a network it is fetched and read as it lies. */
const parcels = {};
const deliver = (name, text) => parcels[name](Uint8Array.from(text, (c) => c.charCodeAt(0) & 255));

function parcel(name) {
  return location.protocol === "file:" ? fromScript(name) : fromNetwork(name);
}

function fromScript(name) {
  return new Promise((resolve, reject) => {
    parcels[name] = resolve;
    const script = document.createElement("script");
    script.charset = "x-user-defined";
    script.src = `${name}.js`;
    script.onerror = () => reject(new Error(`${name}.js`));
    document.head.append(script);
  }).then(unzipped);
}

async function fromNetwork(name) {
  const answer = await fetch(`${name}.js`);
  if (!answer.ok) throw new Error(`${name}.js: ${answer.status}`);
  const raw = new Uint8Array(await answer.arrayBuffer());
  const bytes = raw.subarray(raw.indexOf(34, raw.indexOf(44)) + 1, raw.lastIndexOf(34));
  const escaped = { 110: 10, 114: 13, 48: 0 };
  let length = 0;
  for (let i = 0; i < bytes.length; i++) {
    const escape = bytes[i] === 92;
    if (escape) i++;
    bytes[length++] = escape ? escaped[bytes[i]] ?? bytes[i] : bytes[i];
  }
  return unzipped(bytes.subarray(0, length));
}

async function unzipped(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

async function openNetwork(told) {
  const source = document.getElementById("runtime").textContent;
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const [ort, wasm, model] = await Promise.all([import(address), parcel("runtime"), parcel("model")]);
  ort.env.wasm.wasmBinary = wasm;
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "error";
  const session = await ort.InferenceSession.create(model, {
    executionProviders: ["wasm"],
    // Weights become numbers again once, when the model is opened, and not at each text.
    extra: { session: { disable_quant_qdq: "1" } },
  });
  const tensor = (numbers) =>
    new ort.Tensor("int64", BigInt64Array.from(numbers, BigInt), [1, numbers.length]);

  /* Logits of one text. */
  return async (ids) => {
    const given = { input_ids: ids, attention_mask: ids.map(() => 1), token_type_ids: ids.map(() => 0) };
    const feeds = Object.fromEntries(told.inputs.map((name) => [name, tensor(given[name])]));
    return Array.from((await session.run(feeds))[told.output].data);
  };
}
