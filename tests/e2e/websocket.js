// The `ws` library at both ends of websocket_test.py.
//
//   node websocket.js serve              prints its port, then one JSON line an event
//   node websocket.js talk TOLD          TOLD is JSON: {url, options, scenario}; prints one JSON line
"use strict";
const crypto = require("crypto");
const fs = require("fs");
const WebSocket = require("ws");

const tell = (what) => fs.writeSync(1, JSON.stringify(what) + "\n");
const most = 64 << 20;

function serve() {
  const server = new WebSocket.Server(
    {host: "127.0.0.1", port: 0, maxPayload: most, perMessageDeflate: {threshold: 0}},
    () => tell({port: server.address().port}));
  server.on("connection", (socket, request) => {
    const path = request.url;
    tell({event: "open", path, extensions: socket.extensions, protocol: socket.protocol});
    socket.on("error", () => {});
    socket.on("close", (code, reason) => tell({event: "close", path, code, reason: reason.toString()}));
    socket.on("pong", (data) => tell({event: "pong", path, data: data.toString()}));
    socket.on("message", (data, binary) => {
      if (path === "/close") return socket.close(4001, "the server is done");
      if (path === "/die") return process.kill(process.pid, "SIGKILL");
      if (path === "/ping") return socket.ping("from the server");
      if (path !== "/fragments") return socket.send(data, {binary});
      const third = Math.ceil(data.length / 3);
      socket.send(data.subarray(0, third), {binary, fin: false});
      socket.send(data.subarray(third, 2 * third), {binary, fin: false});
      socket.send(data.subarray(2 * third), {binary, fin: true});
    });
  });
}

/// The next so many messages, as {data, binary}.
function hear(socket, count) {
  return new Promise((done, failed) => {
    const heard = [];
    socket.on("message", function each(data, binary) {
      heard.push({data, binary});
      if (heard.length < count) return;
      socket.off("message", each);
      done(heard);
    });
    socket.on("close", (code) => failed(new Error("closed with " + code)));
  });
}

const once = (socket, event) => new Promise((done) => socket.once(event, (...what) => done(what)));

const scenarios = {
  async messages(socket) {
    const sent = [];
    for (let i = 0; i < 10000; ++i) {
      const size = i % 10 === 0 ? crypto.randomInt(70000) : crypto.randomInt(200);
      const binary = i % 2 === 0;
      const data = binary ? crypto.randomBytes(size) : Buffer.from("text " + i + " " + "ä".repeat(size / 2));
      sent.push({data, binary});
    }
    const hearing = hear(socket, sent.length);
    for (const {data, binary} of sent) socket.send(data, {binary});
    const heard = await hearing;
    return {same: heard.filter(({data, binary}, i) => binary === sent[i].binary && data.equals(sent[i].data)).length};
  },
  async fragments(socket) {
    const parts = [0, 1, 5, 70000, 3].map((size) => crypto.randomBytes(size));
    const hearing = hear(socket, 1);
    parts.forEach((part, i) => socket.send(part, {binary: true, fin: i === parts.length - 1}));
    const [{data}] = await hearing;
    return {same: data.equals(Buffer.concat(parts))};
  },
  async ping(socket) {
    const pinged = once(socket, "ping");
    socket.send("ping me");
    const [data] = await pinged;
    const ponged = once(socket, "pong");
    socket.ping("from the client");
    const [answer] = await ponged;
    return {ping: data.toString(), pong: answer.toString()};
  },
  async big(socket) {
    const data = crypto.randomBytes(10 << 20);
    const hearing = hear(socket, 1);
    socket.send(data);
    const [heard] = await hearing;
    return {same: heard.data.equals(data)};
  },
  async deflated(socket) {
    const data = Buffer.from("the same words again and again ".repeat(30000));
    const hearing = hear(socket, 1);
    socket.send(data, {binary: false});
    const [heard] = await hearing;
    return {same: heard.data.equals(data), extensions: socket.extensions, bytes: data.length};
  },
  async close(socket) {
    const closed = once(socket, "close");
    socket.close(4000, "the client is done");
    const [code, reason] = await closed;
    return {code, reason: reason.toString()};
  },
  async closed(socket) {
    const closed = once(socket, "close");
    socket.send("close");
    const [code, reason] = await closed;
    return {code, reason: reason.toString()};
  },
  async abandoned(socket) {
    const closed = once(socket, "close");
    socket.send("die");
    const [code] = await closed;
    return {code};
  },
  async die() {
    process.kill(process.pid, "SIGKILL");
    await new Promise(() => {});
  },
};

function talk({url, options, scenario}) {
  if (options.ca) options.ca = fs.readFileSync(options.ca);
  const socket = new WebSocket(url, ["chat"], Object.assign({maxPayload: most}, options));
  socket.on("error", (error) => {
    tell({error: error.message});
    process.exit(1);
  });
  socket.on("open", async () => {
    const result = await scenarios[scenario](socket);
    tell(Object.assign({protocol: socket.protocol}, result));
    if (socket.readyState === WebSocket.OPEN) {
      const over = once(socket, "close");
      socket.close();
      await over;
    }
    process.exit(0);
  });
}

if (process.argv[2] === "serve") {
  serve();
} else {
  talk(JSON.parse(process.argv[3]));
}
