// Node's HTTP at both ends of h2_test.py.
//
//   node h2.js serve         prints {h1, h2c}: ports of one service spoken to in either
//   node h2.js ask TOLD      TOLD names a file of JSON: {protocol, origin, connect, ca, requests}
//   node h2.js chat TOLD     TOLD is JSON: {protocol, origin, connect, ca, messages}
//   node h2.js undici TOLD   like ask, by the library undici
"use strict";
const crypto = require("crypto");
const fs = require("fs");
const http = require("http");
const http2 = require("http2");
const https = require("https");
const net = require("net");
const tls = require("tls");

const tell = (what) => fs.writeSync(1, JSON.stringify(what) + "\n");
const digest = (data) => crypto.createHash("sha256").update(data).digest("hex");
const collect = (stream) => new Promise((done, failed) => {
  const parts = [];
  stream.on("data", (part) => parts.push(part));
  stream.on("end", () => done(Buffer.concat(parts)));
  stream.on("error", failed);
  stream.on("aborted", () => failed(new Error("cut short")));
});

// --- the service

// What must not depend on the protocols it came by.
const told = (name) => name.startsWith("x-test") || ["cookie", "content-type", "x-forwarded-for",
  "x-forwarded-proto", "x-forwarded-host", "host", ":authority"].includes(name);

async function answer(request, response) {
  const url = new URL(request.url, "http://service");
  const body = await collect(request).catch(() => null);
  if (body === null) return;
  const seen = {method: request.method, url: request.url, body: digest(body), length: body.length};
  const fields = Object.entries(request.headers).filter(([name]) => told(name))
    .map(([name, value]) => [name.replace(":authority", "host"), value]);
  // Which of its two names it was asked by does not count either.
  for (const [name, value] of fields.sort()) seen[name] = value.replace(/^(old|new)\./, "any.");
  const status = Number(url.searchParams.get("status") || 200);
  const own = {"content-type": "application/json", "x-test-answer": "yes", "x-test-several": ["a", "b"],
    "set-cookie": ["one=1", "two=2"]};
  const size = Number(url.searchParams.get("size") || 0);
  const text = Buffer.from(JSON.stringify(seen) + "\n" + "0123456789abcdef".repeat(Math.ceil(size / 16)).slice(0, size));
  const bodiless = request.method === "HEAD" || status === 204 || status === 304;
  if (url.pathname === "/events") return events(response);
  if (url.searchParams.has("trailers")) response.addTrailers({"x-test-sum": digest(text)});
  else if (!url.searchParams.has("streamed") && status !== 204) own["content-length"] = text.length;
  response.writeHead(status, own);
  if (bodiless) return response.end();
  for (let at = 0; at < text.length; at += 9000) {
    if (!response.write(text.subarray(at, at + 9000))) await new Promise((go) => response.once("drain", go));
  }
  response.end();
}

/// One event at once, the others whenever somebody asks for /next at the service.
const listeners = new Set();
function events(response) {
  response.writeHead(200, {"content-type": "text/event-stream"});
  response.write("data: first\n\n");
  listeners.add(response);
  response.on("close", () => {
    listeners.delete(response);
    tell({event: "gone"});
  });
}

/// Loads a hundred resources, talks over a WebSocket, hears events, and reports what it saw.
const page = `<!doctype html><title>page</title><script>
let loaded = 0;
const chat = () => new Promise((done, failed) => {
  const socket = new WebSocket("wss://" + location.host + "/chat");
  let heard = 0;
  socket.onopen = () => { for (let i = 0; i < 100; ++i) socket.send("message " + i); };
  socket.onmessage = (event) => {
    if (event.data === "message " + heard) ++heard;
    if (heard === 100) socket.close(4000, "done");
  };
  socket.onclose = (event) => done({heard, code: event.code});
});
const listen = () => new Promise((done) => {
  const source = new EventSource("/events");
  const events = [];
  source.onmessage = (event) => {
    events.push(event.data);
    if (events.length === 1) return fetch("/next");
    source.close();
    done(events);
  };
});
window.onload = async () => {
  const protocols = {};
  for (const entry of performance.getEntriesByType("resource")) {
    protocols[entry.nextHopProtocol] = (protocols[entry.nextHopProtocol] || 0) + 1;
  }
  const report = {loaded, protocols, chat: await chat(), events: await listen()};
  await fetch("/report", {method: "POST", body: JSON.stringify(report)});
};
</script>
${Array.from({length: 100}, (_, i) => `<script src="/asset/${i}.js"></script>`).join("\n")}
`;

function service(request, response) {
  response.on("error", () => {});
  if (request.url === "/page") return response.writeHead(200, {"content-type": "text/html"}).end(page);
  if (request.url.startsWith("/asset/")) {
    return response.writeHead(200, {"content-type": "text/javascript"}).end("++loaded;" + "/".repeat(2000));
  }
  if (request.url === "/report") {
    return collect(request).then((body) => {
      tell({event: "report", report: JSON.parse(body)});
      response.end();
    });
  }
  if (request.url !== "/next") return answer(request, response);
  for (const listener of listeners) listener.write("data: next\n\n");
  response.end("told\n");
}

/// A WebSocket of the `ws` library over any duplex stream.
function attach(stream, server, WebSocket) {
  stream.setNoDelay = stream.setNoDelay || (() => {});
  const socket = new WebSocket(null, undefined, {});
  socket._isServer = server;
  socket.setSocket(stream, Buffer.alloc(0), {maxPayload: 64 << 20, skipUTF8Validation: false});
  return socket;
}

function echo(socket) {
  socket.on("error", () => {});
  socket.on("message", (data, binary) => socket.send(data, {binary}));
  socket.on("close", (code) => tell({event: "closed", code}));
}

function serve() {
  const WebSocket = require("ws");
  const chats = new WebSocket.Server({noServer: true, perMessageDeflate: false});
  const h1 = http.createServer(service);
  h1.on("upgrade", (request, socket, head) => chats.handleUpgrade(request, socket, head, echo));
  const h2c = http2.createServer({settings: {enableConnectProtocol: true}}, service);
  h2c.on("connect", (request, response) => {
    if (request.headers[":protocol"] !== "websocket") return response.writeHead(501).end();
    request.stream.respond({":status": 200});
    echo(attach(request.stream, true, WebSocket));
  });
  h1.listen(0, "127.0.0.1", () => h2c.listen(0, "127.0.0.1",
    () => tell({h1: h1.address().port, h2c: h2c.address().port})));
}

// --- clients

function plain(fields) {
  const kept = {};
  for (const [name, value] of Object.entries(fields)) {
    if (name.startsWith("x-test") || ["content-type", "set-cookie"].includes(name)) kept[name] = value;
  }
  return kept;
}
const outcome = (status, fields, body, trailers) =>
  ({status, fields: plain(fields), body: body.toString("latin1"), trailers: plain(trailers || {})});

function ask_h1({origin, connect, ca, requests}) {
  const url = new URL(origin);
  const secure = url.protocol === "https:";
  const agent = new (secure ? https : http).Agent({keepAlive: true, maxSockets: 8});
  return Promise.all(requests.map(({method, path, fields, body}) => new Promise((done, failed) => {
    const headers = Object.assign({Host: url.host}, fields);
    if (fields.te) headers.Connection = "TE";
    if (body !== undefined && !fields["x-test-streamed"]) headers["Content-Length"] = Buffer.byteLength(body);
    const request = (secure ? https : http).request(
      {host: "127.0.0.1", port: connect, servername: url.hostname, method, path, headers, agent, ca});
    request.on("error", failed);
    request.on("response", async (response) => {
      const text = await collect(response).catch(failed);
      if (text) done(outcome(response.statusCode, response.headers, text, response.trailers));
    });
    request.end(body);
  }))).finally(() => agent.destroy());
}

const session_of = ({origin, connect, ca}) => http2.connect(origin, {
  ca, createConnection: () => {
    const url = new URL(origin);
    if (url.protocol === "http:") return net.connect(connect, "127.0.0.1");
    return tls.connect({host: "127.0.0.1", port: connect, servername: url.hostname, ca, ALPNProtocols: ["h2"]});
  }});

function ask_h2(task) {
  const session = session_of(task);
  return Promise.all(task.requests.map(({method, path, fields, body}) => new Promise((done, failed) => {
    const headers = Object.assign(
      {":method": method, ":path": path, ":authority": new URL(task.origin).host}, fields);
    if (body !== undefined && !fields["x-test-streamed"]) headers["content-length"] = Buffer.byteLength(body);
    const request = session.request(headers, {endStream: body === undefined});
    let head;
    let trailers;
    request.on("response", (fields) => { head = fields; });
    request.on("trailers", (fields) => { trailers = fields; });
    collect(request).then((text) => done(outcome(head[":status"], head, text, trailers)), failed);
    if (body !== undefined) request.end(body);
  }))).finally(() => session.close());
}

async function ask_undici({origin, connect, ca, requests}) {
  const {Client} = require("undici");
  const url = new URL(origin);
  const client = new Client(`https://localhost:${connect}`,
    {allowH2: true, pipelining: 50, connect: {ca, servername: url.hostname}});
  const answers = [];
  // Version 6, that of node 18, takes the streams of a connection for one another, and what came before 7.25
  // data for an answer's that it has not begun. Debian's own of bookworm speaks HTTP/1.1 only.
  const [major, minor] = require("undici/package.json").version.split(".").map(Number);
  const together = major > 7 || (major === 7 && minor >= 25) ? 20 : 1;
  for (let at = 0; at < requests.length; at += together) {
    answers.push(...await Promise.all(requests.slice(at, at + together).map(async ({method, path, fields, body}) => {
      const {statusCode, headers, body: stream, trailers} =
        await client.request({method, path, headers: Object.assign({host: url.host}, fields), body});
      // Some versions list the lines of a field that node's own clients join.
      const joined = Object.entries(headers).map(([name, value]) =>
        [name, Array.isArray(value) && name !== "set-cookie" ? value.join(", ") : value]);
      return outcome(statusCode, Object.fromEntries(joined), Buffer.from(await stream.arrayBuffer()), trailers);
    })));
  }
  await client.close();
  return answers;
}

/// A WebSocket's messages there and back; `protocol` is the one below.
async function chat(task) {
  const WebSocket = require("ws");
  const url = new URL(task.origin);
  let session;
  let socket;
  if (task.protocol === "h1") {
    const secure = url.protocol === "https:";
    socket = new WebSocket(`${secure ? "wss" : "ws"}://127.0.0.1:${task.connect}/chat`,
      {ca: task.ca, servername: url.hostname, headers: {Host: url.host}, perMessageDeflate: false});
    await new Promise((done, failed) => socket.on("open", done).on("error", failed));
  } else {
    session = session_of(task);
    await new Promise((done) => session.once("remoteSettings", done));
    if (!session.remoteSettings.enableConnectProtocol) throw new Error("no extended CONNECT");
    const stream = session.request({":method": "CONNECT", ":protocol": "websocket", ":path": "/chat",
      "sec-websocket-version": "13"}, {endStream: false});
    const head = await new Promise((done, failed) => stream.on("response", done).on("error", failed));
    if (head[":status"] !== 200) throw new Error("status " + head[":status"]);
    socket = attach(stream, false, WebSocket);
  }
  let heard = 0;
  const over = new Promise((done, failed) => {
    socket.on("error", failed);
    socket.on("message", (data) => {
      if (data.equals(task.sent[heard])) ++heard;
      if (heard === task.messages) socket.close(4000, "done");
    });
    socket.on("close", (code) => done(code));
  });
  task.sent = Array.from({length: task.messages}, (_, i) => crypto.randomBytes(i % 50 === 0 ? 70000 : i % 100));
  for (const data of task.sent) socket.send(data);
  const code = await over;
  if (session) session.close();
  return {heard, code};
}

const [, , mode, told_what] = process.argv;
if (mode === "serve") {
  serve();
} else {
  const task = JSON.parse(mode === "chat" ? told_what : fs.readFileSync(told_what));
  if (task.ca) task.ca = fs.readFileSync(task.ca);
  const run = mode === "chat" ? chat : mode === "undici" ? ask_undici : task.protocol === "h1" ? ask_h1 : ask_h2;
  run(task).then((result) => {
    tell(result);
    process.exit(0);
  }, (error) => {
    tell({error: String(error.stack || error)});
    process.exit(1);
  });
}
