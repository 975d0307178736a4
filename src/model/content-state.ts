/** The value of `user.onedrive.state`: one word for a person, computed from orthogonal facts, never stored. */

export type ContentState = "cloud" | "partial" | "cached" | "dirty" | "uploading" | "conflict" | "error";
