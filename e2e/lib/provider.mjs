// A certified OpenID provider with one client, in a process of its own. Prints its address, then reads the client's redirect URI
// from standard input. Anybody is let in under the name they type.
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import Provider from "oidc-provider";

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  console.log(issuer);
  createInterface(process.stdin).once("line", (redirectUri) => {
    const provider = new Provider(issuer, {
      clients: [{ client_id: "mesh", client_secret: process.env.CLIENT_SECRET, redirect_uris: [redirectUri] }],
      claims: { openid: ["sub"], profile: ["name", "preferred_username"] },
      cookies: { keys: ["for this process only"] },
      pkce: { required: () => true },
      // Its scopes and claims are those of the specification; names are told at the UserInfo endpoint.
      findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: id, email: "same@example.com" }) }),
    });
    server.on("request", provider.callback());
    console.log("ready");
  });
});
