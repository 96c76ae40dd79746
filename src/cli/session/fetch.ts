import type { Fetch } from "../../client/rest.ts";

export const systemFetch: Fetch = (url, init) => fetch(url, init);
