/**
 * What @azure/msal-node 7.2.1 really does, shown one by one: `node --import tsx native-notes/msal/probes.ts`. Exits 1 when a claim
 * of ../msal.md does not hold any more. It talks to no network: its network client is here.
 */
import { PublicClientApplication, ServerError, type Configuration } from "@azure/msal-node";

const HOST = "127.0.0.1:5999";
const metadata = {
  issuer: `https://${HOST}/{tenantid}/v2.0`,
  authorization_endpoint: `http://${HOST}/common/oauth2/v2.0/authorize`,
  token_endpoint: `http://${HOST}/common/oauth2/v2.0/token`,
  device_authorization_endpoint: `http://${HOST}/common/oauth2/v2.0/devicecode`,
  jwks_uri: `http://${HOST}/common/discovery/v2.0/keys`,
};

let failures = 0;
async function claim(what: string, holds: () => Promise<boolean>): Promise<void> {
  const held = await holds();
  if (!held) failures++;
  console.log(`${held ? "holds" : "DOES NOT HOLD"}  ${what}`);
}

type Answer = { status: number; headers: Record<string, string>; body: unknown };

/** An app whose posts are answered by `answer`; `asked` counts them. */
function app(answer: () => Answer, authority = `https://${HOST}/common`) {
  const asked: string[] = [];
  const post = <T>(url: string): Promise<{ status: number; headers: Record<string, string>; body: T }> => {
    asked.push(url);
    return Promise.resolve(answer() as { status: number; headers: Record<string, string>; body: T });
  };
  const auth = { clientId: "probe", authority, knownAuthorities: [HOST], authorityMetadata: JSON.stringify(metadata) };
  const config: Configuration = {
    auth,
    system: { networkClient: { sendGetRequestAsync: post, sendPostRequestAsync: post } },
  };
  return { asked, client: () => new PublicClientApplication(config) };
}

const refresh = { scopes: ["User.Read"], refreshToken: "r", forceCache: true };
const outcome = (work: Promise<unknown>): Promise<unknown> => work.catch((error: unknown) => error);

await claim("an http authority is refused", async () => {
  const { client } = app(() => ({ status: 400, headers: {}, body: {} }), `http://${HOST}/common`);
  const got = await outcome((async () => client().acquireTokenByRefreshToken(refresh))());
  return got instanceof Error && !(got instanceof ServerError);
});
await claim("an https authority in name, with http endpoints in its metadata, is used", async () => {
  const { asked, client } = app(() => ({ status: 400, headers: {}, body: { error: "invalid_grant" } }));
  await outcome(client().acquireTokenByRefreshToken(refresh));
  return asked.length === 1 && (asked[0]?.startsWith(metadata.token_endpoint) ?? false);
});
await claim("invalid_grant is the errorCode of what is thrown", async () => {
  const { client } = app(() => ({
    status: 400,
    headers: {},
    body: { error: "invalid_grant", error_description: "AADSTS70000" },
  }));
  const got = await outcome(client().acquireTokenByRefreshToken(refresh));
  return (got as { errorCode?: string }).errorCode === "invalid_grant";
});
await claim("after one 503 it refuses by itself, without asking", async () => {
  const { asked, client } = app(() => ({ status: 503, headers: {}, body: {} }));
  const one = client();
  await outcome(one.acquireTokenByRefreshToken(refresh));
  await outcome(one.acquireTokenByRefreshToken(refresh));
  return asked.length === 1;
});
await claim("what a network client throws becomes `network_error`, and locks nothing", async () => {
  const { asked, client } = app(() => {
    throw new Error("503");
  });
  const one = client();
  const got = await outcome(one.acquireTokenByRefreshToken(refresh));
  await outcome(one.acquireTokenByRefreshToken(refresh));
  return (got as { errorCode?: string }).errorCode === "network_error" && asked.length === 2;
});

process.exitCode = failures > 0 ? 1 : 0;
