// A small shop in Express whose chat knows its customer.
//
//   npm run build && PORT=3000 node dist/examples/express-shop.js
//   curl -H 'Customer: c-000001' -d message='Where is my parcel?' http://127.0.0.1:3000/chat
//
// `RAPPORT_SERVICE_URL` says where the decision service is. Without one the shop is as fast, and answers everybody alike.

import express from "express";
import { personalization } from "../src/express.js";
import { optionsFromEnv, RapportClient } from "../src/index.js";

const client = new RapportClient({
  ...optionsFromEnv(),
  deadlineMs: 250,
  defaults: { tone: "neutral", segment: "Unknown", template_text: "Welcome! How can we help?" },
  onProblem: (message) => console.error(message),
});

const app = express();
app.use(express.urlencoded({ extended: false }));
app.use(
  personalization<express.Request>(client, {
    // A shop takes the customer from its own login, never from a header that anybody can send.
    customerId: (request) => request.get("Customer"),
    sessionData: (request) => ({ page: request.path, channel: "web", message: request.body?.message }),
  }),
);

app.post("/chat", async (request, response) => {
  response.json(await request.personalization.tags());
});

app.get("/terms", (_request, response) => {
  response.send("No tags are needed here, so none are asked for.");
});

const server = app.listen(Number(process.env["PORT"] ?? 3000), "127.0.0.1", () => {
  const address = server.address();
  console.log(`http://127.0.0.1:${typeof address === "object" ? address?.port : address}`);
});
