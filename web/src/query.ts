// What of a project is listed, and in which order: the parameters of `GET /api/files`. Pure.

export type SortField = "_created" | "filename" | "content_type" | "length" | "status" | "user";
export type Kind = "" | "image" | "video" | "audio" | "document" | "other";

export interface Query {
  project: string;
  search: string;
  kind: Kind;
  status: string;
  uploader: string;
  since: string;
  until: string;
  atLeast: number | null;
  atMost: number | null;
  deleted: boolean;
  sort: SortField;
  descending: boolean;
}

export const EVERYTHING: Omit<Query, "project"> = {
  search: "",
  kind: "",
  status: "",
  uploader: "",
  since: "",
  until: "",
  atLeast: null,
  atMost: null,
  deleted: false,
  sort: "_created",
  descending: true,
};

const KINDS: Record<Exclude<Kind, "">, object> = {
  image: { content_type: { $regex: "^image/" } },
  video: { content_type: { $regex: "^video/" } },
  audio: { content_type: { $regex: "^audio/" } },
  document: { content_type: { $regex: "^(text/|application/(pdf|json|xml))" } },
  other: { content_type: { $not: { $regex: "^(image/|video/|audio/|text/)" } } },
};

/** The number of conditions besides the project and the search. */
export function filtersOf(query: Query): number {
  const { kind, status, uploader, since, until, atLeast, atMost } = query;
  return [kind, status, uploader, since, until, atLeast, atMost].filter(
    (value) => value !== "" && value !== null,
  ).length;
}

/** The condition on documents, as the API reads it. */
export function whereOf(query: Query): object {
  const length: Record<string, number> = {};
  if (query.atLeast !== null) length.$gte = query.atLeast;
  if (query.atMost !== null) length.$lte = query.atMost;
  const created: Record<string, string> = {};
  if (query.since) created.$gte = httpDate(query.since, 0);
  if (query.until) created.$lt = httpDate(query.until, 1);
  return {
    project: query.project,
    ...(query.search && { filename: { $regex: literal(query.search), $options: "i" } }),
    ...(query.kind && KINDS[query.kind]),
    ...(query.status && { status: query.status }),
    ...(query.uploader && { user: query.uploader }),
    ...(Object.keys(created).length > 0 && { _created: created }),
    ...(Object.keys(length).length > 0 && { length }),
    ...(query.deleted && { _deleted: true }),
  };
}

export function sortOf(query: Query): string {
  return (query.descending ? "-" : "") + query.sort;
}

/** A regular expression that finds this very text. */
export function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** The begin of a local day, as HTTP writes dates. */
function httpDate(date: string, daysLater: number): string {
  const [year = 0, month = 1, day = 1] = date.split("-").map(Number);
  return new Date(year, month - 1, day + daysLater).toUTCString();
}
