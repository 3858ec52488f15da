// What decides without touching the page. Run by tests/web/test_modules.py.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, clock, left } from "../src/format.ts";
import { frameAt, middleOf, rateOf, timecode } from "../src/frames.ts";
import { EVERYTHING, filtersOf, literal, type Query, sortOf, whereOf } from "../src/query.ts";
import { clicked, type Held, moved, NOTHING, target } from "../src/selection.ts";
import { cueAt, cuesOf } from "../src/sprites.ts";
import { fitting, held, zoomed } from "../src/zoom.ts";

const IDS = ["a", "b", "c", "d", "e"];
const idAt = (index: number): string | undefined => IDS[index];
const PLAIN: Held = { ctrl: false, shift: false };
const CTRL: Held = { ctrl: true, shift: false };
const SHIFT: Held = { ctrl: false, shift: true };

test("frames are exact after hours at rates that are no decimals", () => {
  for (const text of ["24000/1001", "30000/1001", "25", "60"]) {
    const rate = rateOf(text);
    assert.ok(rate);
    for (const frame of [0, 1, 2, 1000, 86_399, 1_000_000]) {
      assert.equal(frameAt((frame * rate.under) / rate.over, rate), frame);
      assert.equal(frameAt(middleOf(frame, rate), rate), frame);
    }
  }
});

test("a rate is a positive fraction or nothing", () => {
  assert.deepEqual(rateOf("24000/1001"), { over: 24000, under: 1001 });
  for (const text of [undefined, "", "0", "24/0", "x", "24.5", "-1"]) {
    assert.equal(rateOf(text), null);
  }
});

test("timecodes count frames within the second", () => {
  const rate = { over: 24000, under: 1001 };
  assert.equal(timecode(0, rate), "00:00:00:00");
  assert.equal(timecode(23, rate), "00:00:00:23");
  assert.equal(timecode(24 * 3661 + 5, rate), "01:01:01:05");
});

test("cues name a part of a sheet, relative to where the list lies", () => {
  const text =
    "WEBVTT\r\n\r\n00:00.000 --> 00:02.500\nsheet-1.jpg?x=1#xywh=0,0,160,90\n\n" +
    "01:00:02.500 --> 01:00:05.000\nhttp://b/sheet-2.jpg#xywh=160,90,160,90\n\nnonsense\n";
  const cues = cuesOf(text, "http://a/list/of.vtt?s=1");
  assert.equal(cues.length, 2);
  assert.deepEqual(cues[0], {
    ...{ from: 0, to: 2.5, sheet: "http://a/list/sheet-1.jpg?x=1" },
    ...{ x: 0, y: 0, width: 160, height: 90 },
  });
  assert.equal(cues[1]?.from, 3602.5);
  assert.equal(cueAt(cues, 1), cues[0]);
  assert.equal(cueAt(cues, 9999), cues[1]);
  assert.equal(cueAt([], 1), null);
});

test("a click chooses one, with Ctrl it adds and takes away, with Shift it reaches", () => {
  const one = clicked(NOTHING, 1, idAt, PLAIN);
  assert.deepEqual([...one.chosen], ["b"]);
  const two = clicked(one, 3, idAt, CTRL);
  assert.deepEqual([...two.chosen], ["b", "d"]);
  assert.deepEqual([...clicked(two, 1, idAt, CTRL).chosen], ["d"]);
  const reached = clicked(two, 1, idAt, SHIFT);
  assert.deepEqual([...reached.chosen].sort(), ["b", "c", "d"]);
  assert.equal(reached.anchor, 3);
  assert.deepEqual([...clicked(reached, 4, idAt, SHIFT).chosen], ["d", "e"]);
});

test("arrows move, with Shift they reach, with Ctrl they leave the choice", () => {
  const at = moved(NOTHING, 2, idAt, PLAIN);
  assert.deepEqual([...at.chosen], ["c"]);
  assert.deepEqual([...moved(at, 0, idAt, SHIFT).chosen], ["a", "b", "c"]);
  const looking = moved(at, 4, idAt, CTRL);
  assert.deepEqual([[...looking.chosen], looking.active], [["c"], 4]);
});

test("keys lead within the list and never out of it", () => {
  const to = (key: string, from: number): number | null => target(key, from, 10, 4, 8);
  assert.deepEqual(["ArrowLeft", "ArrowUp", "PageUp"].map((key) => to(key, 1)), [0, 1, 0]);
  assert.deepEqual(["ArrowDown", "PageDown", "End"].map((key) => to(key, 1)), [5, 9, 9]);
  assert.equal(to("ArrowDown", 6), 9);
  assert.equal(to("ArrowDown", 8), 8);
  assert.equal(to("ArrowRight", 9), 9);
  assert.equal(to("End", -1), 9);
  assert.equal(to("ArrowDown", -1), 0);
  assert.equal(to("x", 1), null);
  assert.equal(target("End", -1, 0, 4, 8), null);
});

test("a search is the query that the API understands", () => {
  const query: Query = { project: "p", ...EVERYTHING };
  assert.deepEqual(whereOf(query), { project: "p" });
  assert.equal(sortOf(query), "-_created");
  assert.equal(filtersOf(query), 0);
  const full: Query = {
    ...query,
    ...{ search: "a.b(c", kind: "image", status: "failed", uploader: "u", deleted: true },
    ...{ atLeast: 0, atMost: 5_000_000, since: "2026-01-31", until: "2026-01-31" },
  };
  const where = whereOf(full) as Record<string, unknown>;
  assert.deepEqual(where.filename, { $regex: "a\\.b\\(c", $options: "i" });
  assert.deepEqual(where.length, { $gte: 0, $lte: 5_000_000 });
  const created = where._created as { $gte: string; $lt: string };
  assert.equal(Date.parse(created.$lt) - Date.parse(created.$gte), 86_400_000);
  assert.match(created.$gte, /GMT$/);
  assert.equal(where._deleted, true);
  assert.equal(filtersOf(full), 7);
  assert.ok(new RegExp(literal("a+(b)[c].*\\$^")).test("a+(b)[c].*\\$^"));
});

test("numbers are as people read them", () => {
  assert.deepEqual([0, 999, 1000, 9995, 99_950, 1_234_567].map(bytes), [
    ...["0 B", "999 B", "1.00 KB", "10.0 KB", "100 KB", "1.23 MB"],
  ]);
  assert.deepEqual([0, 59.9, 61, 3600].map(clock), ["0:00", "0:59", "1:01", "1:00:00"]);
  assert.deepEqual([0.2, 59, 90, 7200, Infinity].map(left), ["1 s", "59 s", "2 min", "2.0 h", ""]);
});

test("zooming keeps the point under the mouse, and no empty room appears", () => {
  const [picture, frame] = [
    { width: 4000, height: 2000 },
    { width: 1000, height: 1000 },
  ];
  const least = fitting(picture, frame);
  assert.equal(least, 0.25);
  assert.equal(fitting({ width: 10, height: 10 }, frame), 1);
  const before = { scale: least, x: 0, y: 0 };
  const after = zoomed(before, 1, 100, 50, least);
  assert.equal((100 - after.x) / after.scale, 100 / before.scale);
  assert.equal((50 - after.y) / after.scale, 50 / before.scale);
  assert.deepEqual(zoomed(before, 0.01, 0, 0, least), before);
  assert.deepEqual(held({ scale: 1, x: 9999, y: -9999 }, picture, frame), {
    ...{ scale: 1, x: 1500, y: -500 },
  });
  assert.equal(held({ scale: least, x: 40, y: 40 }, picture, frame).x, 0);
});
