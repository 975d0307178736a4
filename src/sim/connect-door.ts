/**
 * The CONNECT door: a client that uses this server as its HTTPS proxy reaches the simulator under Microsoft's host names. TLS
 * ends here, with the throw-away certificate. Any other host is refused.
 */
import type { Server } from "node:http";
import type { Socket } from "node:net";
import * as tls from "node:tls";
import type { Certificates } from "./certificates.ts";
import { isMicrosoftHost } from "./links.ts";

export interface ConnectDoor {
  readonly server: Server;
  readonly certificates: Certificates;
  readonly network: { readonly up: boolean };
  /** Told of every raw connection that was taken over. */
  track(socket: Socket): void;
}

export function openConnectDoor({ server, certificates, network, track }: ConnectDoor): void {
  const secureContext = tls.createSecureContext({ key: certificates.key, cert: certificates.cert });
  server.on("connect", (req, stream, head) => {
    const socket = stream as Socket;
    track(socket);
    if (!network.up) return void socket.destroy();
    if (!isMicrosoftHost(req.url ?? "")) {
      socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      return undefined;
    }
    socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
    if (head.length > 0) socket.unshift(head);
    const secure = new tls.TLSSocket(socket, { isServer: true, secureContext, ALPNProtocols: ["http/1.1"] });
    secure.once("secure", () => server.emit("connection", secure));
    secure.on("error", () => socket.destroy());
    return undefined;
  });
}
