import type { FdTable } from "../../../../src/transport/linux/fd-table.ts";
import { SocketAddress } from "../../../../src/transport/linux/socket-address.ts";

/** An open file of a process: a connection of the edge from 192.0.2.`host`, or a connection that is not the edge's. */
interface FakeFile {
  readonly host: number;
  readonly port: number;
  readonly isForeign?: boolean;
}

export const from = (host: number, port: number): FakeFile => ({ host, port });

/** A process's open files, by descriptor. The test may change them. A connection that is shut down stays open until the test closes it. */
export function fakeProcess(files: (FakeFile | "no socket" | undefined)[]) {
  const peer = new SocketAddress();
  const bytes = new DataView(peer.words.buffer);
  const shutDown: number[] = [];
  /** The number of descriptors that were inspected, and whether the process can open no more files. */
  const state = { inspections: 0, isFull: false };
  const fileAt = (fd: number) => (files[fd] === "no socket" ? undefined : files[fd]);
  const identities = new Map<FakeFile, number>();
  const identity = new Uint32Array(2);
  const fdTable: FdTable = {
    identity,
    peer,
    readIdentity(fd) {
      state.inspections++;
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
    isAccepted: (fd) => fileAt(fd)?.isForeign !== true,
    shutDown: (fd) => void shutDown.push(fd),
    lowestFree() {
      if (state.isFull) return undefined;
      const free = files.indexOf(undefined);
      return free < 0 ? files.length : free;
    },
    end: () => files.length,
    close() {},
  };
  return { files, fdTable, shutDown, state };
}
