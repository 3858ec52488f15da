// The documents of the API, as far as the page reads them: docs/http.md.

export type Status = "queued_for_processing" | "processing" | "complete" | "failed" | "uploading";

export interface Variation {
  size: string;
  content_type: string;
  format?: string;
  width?: number;
  height?: number;
  length?: number;
  is_public?: boolean;
  link?: string;
}

export interface Processing {
  status: string;
  error?: string;
  progress?: number;
  step?: string;
  seconds_left?: number;
}

export interface Media {
  container?: string;
  seconds?: number;
  video_codec?: string;
  audio_codec?: string;
  frame_rate?: string;
  frames?: number;
  audio_tracks?: number;
  channels?: number;
  sample_rate?: number;
}

export interface FileDoc {
  _id: string;
  _etag: string;
  _created: string;
  _updated: string;
  _deleted?: boolean;
  filename: string;
  name: string;
  description?: string;
  content_type: string;
  format?: string;
  length: number;
  length_aggregate_in_bytes?: number;
  md5?: string;
  sha256?: string;
  width?: number;
  height?: number;
  duration?: number;
  media?: Media;
  user?: string;
  project?: string;
  backend?: string;
  status: Status;
  processing?: Processing;
  variations?: Variation[];
  link?: string;
  link_expires?: string;
}

export type Method = "GET" | "POST" | "PUT" | "DELETE";

/** What somebody is granted by name. */
export interface Grant {
  user: string;
  methods: Method[];
}

export interface Permissions {
  world: Method[];
  users: Grant[];
  groups: { group: string; methods: Method[] }[];
}

export interface Project {
  _id: string;
  _etag: string;
  _created: string;
  name: string;
  summary?: string;
  description?: string;
  url: string;
  user: string;
  category: string;
  is_private?: boolean;
  permissions: Permissions;
  allowed_methods: Method[];
}

export interface Person {
  _id: string;
  username?: string;
  full_name?: string;
  email?: string;
  roles?: string[];
}

/** A user as administrators see him. */
export interface User extends Person {
  _etag: string;
  _created: string;
  disabled?: boolean;
}

export interface List<T> {
  _items: T[];
  _meta: { page: number; max_results: number; total: number };
  _links?: { next?: { href: string } };
}
