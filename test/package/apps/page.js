import { generateDeviceKey, indexedDbStore } from "sallyport-client";
import { finishLogin, startLogin, useSession } from "./session.js";

/** The functions that the test calls in the browser. */
globalThis.entry = {
  startLogin,
  async run(baseUrl, challengeId, code) {
    const store = indexedDbStore();
    await store.save(await finishLogin(baseUrl, challengeId, code, await generateDeviceKey()));
    return useSession(baseUrl, await store.load());
  },
};
