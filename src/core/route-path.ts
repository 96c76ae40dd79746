/** A segment of a route's path: plain text, or a placeholder for a field of the payload. */
export type PathSegment = { readonly text: string } | { readonly field: string };

const PATH_CHARS_MAX = 1024;
/** Matches a plain segment: unreserved characters (RFC 3986 2.3). The segments `.` and `..` do not match. */
const PLAIN = /^(?!\.{1,2}$)[A-Za-z0-9._~-]+$/;
const PLACEHOLDER = /^\{([A-Za-z_][A-Za-z0-9_]*)\}$/;

/** Parses a path such as `/api/v1/user/rooms/{room_id}`. Throws a `TypeError` whose message describes the problem. */
export function parseRoutePath(path: string): readonly PathSegment[] {
  if (!path.startsWith("/")) throw new TypeError('must start with "/"');
  if (path.length > PATH_CHARS_MAX) throw new TypeError(`is longer than ${PATH_CHARS_MAX} characters`);
  const segments = path.slice(1).split("/").map(parseSegment);
  const fields = segments.flatMap((segment) => ("field" in segment ? [segment.field] : []));
  if (new Set(fields).size < fields.length) throw new TypeError("a placeholder occurs twice");
  return segments;
}

function parseSegment(segment: string): PathSegment {
  const field = PLACEHOLDER.exec(segment)?.[1];
  if (field !== undefined) return { field };
  if (!PLAIN.test(segment)) throw new TypeError(`"${segment}" is neither a plain segment nor a {placeholder}`);
  return { text: segment };
}
