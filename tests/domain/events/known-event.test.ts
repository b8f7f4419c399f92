import { describe, expect, test } from "vitest";
import type { StoredEvent } from "../../../shared/domain/events/envelope.ts";
import { recognise } from "../../../shared/domain/events/known-event.ts";
import { namesOf } from "../../../shared/domain/events/profile.ts";

const stored: StoredEvent = {
  event_id: "0197a3c4-7c1e-5d2a-9b60-3f1d2c4b5a69",
  version: 1,
  event_type: "métier_choisi",
  app_source: "aube",
  payload: { métier: "Data Scientist" },
  correlation_id: null,
  timestamp: Date.UTC(2025, 0, 15, 14, 30),
  received_at: Date.UTC(2025, 0, 15, 14, 30, 1),
  set_aside: false,
};

describe("a stored event", () => {
  test("of the catalogue is known, and its type tells what its payload holds", () => {
    const recognised = recognise(stored);
    if (recognised.kind !== "known") throw new Error(recognised.kind);
    const { event } = recognised;
    if (event.event_type !== "métier_choisi") throw new Error(event.event_type);
    const job: string = event.payload.métier;
    expect(job).toBe("Data Scientist");
    expect(event).toEqual(stored);
  });

  test("did not happen after it was received, whatever a clock ahead of ours says", () => {
    const { received_at } = stored;
    for (const event_type of ["métier_choisi", "bilan.terminé"]) {
      for (const [ahead, happened] of [[-1, -1], [0, 0], [1, 0], [300_000, 0]] as const) {
        const told = { ...stored, event_type, timestamp: received_at + ahead };
        expect(recognise(told)).toMatchObject({
          event: { ...told, timestamp: received_at + happened },
        });
        expect(told.timestamp, "the log's own").toBe(received_at + ahead);
      }
    }
  });

  test("of an app's own type is free", () => {
    const own = { ...stored, event_type: "bilan.terminé", payload: { é: "é" } };
    expect(recognise(own)).toEqual({ kind: "free", event: own });
  });

  test("that the catalogue refuses comes with its issues", () => {
    expect(recognise({ ...stored, payload: {} })).toEqual({
      kind: "refused",
      issues: [{
        field: "payload.métier",
        message: "is required and must be a text of 1 to 500 characters, not blank",
      }],
    });
  });
});

test("named things give their names, whichever key an app uses", () => {
  expect(namesOf(["Python", { nom: "Analyse" }, { name: "SQL" }, { métier: "Coach" }, {}]))
    .toEqual(["Python", "Analyse", "SQL", "Coach"]);
  expect(namesOf(null)).toEqual([]);
});
