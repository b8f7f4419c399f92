import { describe, expect, test } from "vitest";
import { day } from "../../shared/domain/duration.ts";
import { defaultSettings, flawOf, settingsOver } from "../../shared/domain/settings.ts";
import { Story, typesOf } from "../support/story.ts";

describe("settings", () => {
  test("are those of the contract where nothing else is said", () => {
    expect(defaultSettings).toMatchObject({
      journey: { blockage_minutes: 10 },
      nudges: {
        lifetime_days: 7,
        conversion_days: 7,
        max_in_period: 3,
        period_days: 7,
        same_type_days: 1,
        max_dismissals: 2,
        stalled_days: 3,
        low_mood: 3,
        high_anxiety: 0.7,
        quiet_hours: { from: "21:00", until: "08:00", time_zone: "Europe/Paris" },
        holdout: 0.1,
      },
    });
  });

  test("that say something keep the defaults of the rest", () => {
    const at = settingsOver([{ changed_at: 0, said: { nudges: { max_in_period: 1 } } }]);
    expect(at(1)).toEqual({
      ...defaultSettings,
      nudges: { ...defaultSettings.nudges, max_in_period: 1 },
    });
  });

  test("count for what happens after they were said", () => {
    const at = settingsOver([
      { changed_at: 0, said: {} },
      { changed_at: 1000, said: { nudges: { holdout: 0.5 } } },
      { changed_at: 2000, said: {} },
    ]);
    expect([1000, 1001, 2000, 2001].map((time) => at(time).nudges.holdout))
      .toEqual([0.1, 0.5, 0.5, 0.1]);
  });

  test("of many years are read as they are asked for", () => {
    const read: number[] = [];
    const change = (n: number) => ({
      changed_at: n,
      get said() {
        read.push(n);
        return n % 5 === 4 ? "nonsense" : { nudges: { max_in_period: n % 5 } };
      },
    });
    const at = settingsOver(Array.from({ length: 10_000 }, (_, n) => change(n)));
    const times = [Infinity, 5_000, 10_000, 5_000];
    expect(times.map((time) => at(time).nudges.max_in_period)).toEqual([3, 3, 3, 3]);
    expect(read).toEqual([9_999, 9_998, 4_999, 4_998]);
  });

  test.each([
    [{ nudges: { holdout: 2 } }, "nudges.holdout"],
    [{ nudges: { hold_out: 0 } }, "nudges"],
    [{ nudges: { quiet_hours: { from: "25:00" } } }, "nudges.quiet_hours.from"],
    [{ nudges: { quiet_hours: { time_zone: "Mars/Base" } } }, "nudges.quiet_hours.time_zone"],
    [{ nudges: { experiments: { other_type: {} } } }, "nudges.experiments"],
    [{ nudges: { stalled_days: 0 } }, "nudges.stalled_days"],
    [{ transitions: { lifetime_days: 1e-9 } }, "transitions.lifetime_days"],
    [null, ""],
  ])("such as %j are refused, say where, and leave those before in force", (said, where) => {
    const at = settingsOver([
      { changed_at: 0, said: { nudges: { holdout: 0.3 } } },
      { changed_at: 1000, said },
    ]);
    expect(at(5000).nudges.holdout).toBe(0.3);
    expect(flawOf(said)).toMatch(new RegExp(`^${where.replaceAll(".", "\\.")}: `));
    expect(flawOf({})).toBeUndefined();
  });
});

describe("a change of settings", () => {
  test("counts for what happens then, and a replay folds the past as it was folded", () => {
    const story = new Story();
    story.happens("letter.generated", "letters");
    story.setting({ nudges: { max_in_period: 0 } });
    story.passes(day);
    expect(story.happens("letter.generated", "letters")).toEqual([]);
    story.setting({ nudges: { holdout: 1 } });
    story.passes(day);
    const [held] = story.happens("letter.generated", "letters");
    expect(held!.variant).toBe("holdout");

    const replayed = story.replay();
    expect(replayed.effects).toEqual(story.effects);
    expect(replayed.state).toEqual(story.state);
  });

  test("leaves alone what was decided before it", () => {
    const story = new Story();
    story.happens("letter.generated", "letters");
    story.happens("exploration_commencée", "aube");
    story.setting({ nudges: { lifetime_days: 1, stalled_days: 1, holdout: 0 } });
    story.passes(2 * day);
    expect(story.outcomes).toEqual([]);
    expect(typesOf(story.nudges)).toEqual(["letters_to_cv"]);
    expect(typesOf(story.passes(day))).toEqual(["journey_stalled"]);
  });
});
