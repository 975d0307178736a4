/**
 * A throw-away certificate authority and one server certificate for all of Microsoft's host names, made with the `openssl`
 * command. Kept in a folder; made anew when anything is missing there.
 */
import { execFile } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
const HOSTS = `
  graph.microsoft.com login.microsoftonline.com graph.microsoft.us dod-graph.microsoft.us login.microsoftonline.us
  microsoftgraph.chinacloudapi.cn login.chinacloudapi.cn api.onedrive.com *.sharepoint.com *.1drv.com *.up.1drv.com
  *.dm.files.1drv.com *.microsoftpersonalcontent.com *.svc.ms`
  .trim()
  .split(/\s+/);

export interface Certificates {
  /** Path of the authority's certificate, for clients to trust. */
  readonly caFile: string;
  readonly key: string;
  readonly cert: string;
}

export async function makeCertificates(folder: string): Promise<Certificates> {
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const at = (name: string): string => path.join(folder, name);
  const done = ["ca.pem", "server.key", "server.pem"].every((name) => fs.existsSync(at(name)));
  if (!done) {
    const authority = ["req", "-x509", ...EC, "-days", "3650", "-subj", "/CN=onedrive-sim throw-away CA"];
    const powers = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"];
    fs.writeFileSync(
      at("server.ext"),
      `subjectAltName=${HOSTS.map((host) => `DNS:${host}`).join(",")}\nextendedKeyUsage=serverAuth\n`,
    );
    await run("openssl", [...authority, ...powers, "-keyout", at("ca.key"), "-out", at("ca.pem")]);
    await run("openssl", [
      "req",
      ...EC,
      "-subj",
      "/CN=graph.microsoft.com",
      "-keyout",
      at("server.key"),
      "-out",
      at("server.csr"),
    ]);
    const sign = [
      "x509",
      "-req",
      "-in",
      at("server.csr"),
      "-CA",
      at("ca.pem"),
      "-CAkey",
      at("ca.key"),
      "-CAcreateserial",
    ];
    await run("openssl", [...sign, "-days", "365", "-extfile", at("server.ext"), "-out", at("server.pem")]);
    for (const name of ["ca.key", "server.key"]) fs.chmodSync(at(name), 0o600);
  }
  return {
    caFile: at("ca.pem"),
    key: fs.readFileSync(at("server.key"), "utf8"),
    cert: fs.readFileSync(at("server.pem"), "utf8"),
  };
}
