import type { FdTable } from "../../../../src/transport/linux/fd-table.ts";
import { SocketAddress } from "../../../../src/transport/linux/socket-address.ts";

/** A file of a process: an edge's connection from 192.0.2.`host`, or somebody else's. */
interface FakeFile {
  readonly host: number;
  readonly port: number;
  readonly isOthers?: boolean;
}

export const from = (host: number, port: number): FakeFile => ({ host, port });

/** A process's files, by descriptor, to be changed by the test. What is shut down stays open until the test closes it. */
export function fakeProcess(files: (FakeFile | "no socket" | undefined)[]) {
  const peer = new SocketAddress();
  const bytes = new DataView(peer.words.buffer);
  const shutDown: number[] = [];
  /** How many files were looked at; whether the process may open no more. */
  const state = { looks: 0, isFull: false };
  const fileAt = (fd: number) => (files[fd] === "no socket" ? undefined : files[fd]);
  const identities = new Map<FakeFile, number>();
  const identity = new Uint32Array(2);
  const sockets: FdTable = {
    identity,
    peer,
    readIdentity(fd) {
      state.looks++;
      const file = fileAt(fd);
      if (file === undefined) return false;
      if (!identities.has(file)) identities.set(file, identities.size + 1);
      identity[0] = identities.get(file) ?? 0;
      return true;
    },
    readPeer(fd) {
      const file = fileAt(fd);
      if (file === undefined) return false;
      // struct sockaddr_in, AF_INET
      new Uint16Array(peer.words.buffer, 0, 1)[0] = 2;
      bytes.setUint16(2, file.port);
      bytes.setUint32(4, 0xc0000200 + file.host);
      return true;
    },
    isAccepted: (fd) => fileAt(fd)?.isOthers !== true,
    shutDown: (fd) => void shutDown.push(fd),
    lowestFree() {
      if (state.isFull) return undefined;
      const free = files.indexOf(undefined);
      return free < 0 ? files.length : free;
    },
    end: () => files.length,
    close() {},
  };
  return { files, sockets, shutDown, state };
}
