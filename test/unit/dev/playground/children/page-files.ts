import { pageFiles } from "../../../../../src/dev/playground/page-files.ts";

/** Prints the files of the page as JSON. */
pageFiles().then((files) => {
  const printed = files.map(({ path, contentType, bytes }) => ({ path, contentType, text: new TextDecoder().decode(bytes) }));
  console.log(JSON.stringify(printed));
});
