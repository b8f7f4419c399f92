import { headerLists } from "./header-names.ts";
import type { Body, Message, MessageOptions, Redaction } from "./message.ts";
import type { DeadLetter } from "./store/dead-letters.ts";
import type { Schedule } from "./store/schedules.ts";

/** A body as the API shows it: text where it is UTF-8, base64 elsewhere, nothing where it is empty. */
function bodyFields(body: Body): { text?: string; base64?: string } {
  if (body.length === 0) return {};
  try {
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(body) };
  } catch {
    return { base64: body.toBase64() };
  }
}

async function redacted(bytes: Body): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return `REDACTED:${digest.toHex()}`;
}

/** A publisher's body and headers, without what it asked to keep out of the API's answers. */
async function contentFields(headers: Record<string, string>, body: Body, redaction: Redaction) {
  const shown: [string, string][] = [];
  for (const [name, value] of Object.entries(headers)) {
    const hidden = redaction.headers === true || redaction.headers.includes(name);
    shown.push([name, hidden ? await redacted(new TextEncoder().encode(value)) : value]);
  }
  const { text, base64 } = redaction.body ? { text: await redacted(body) } : bodyFields(body);
  return { header: headerLists(shown), body: text, bodyBase64: base64 };
}

/** The fields that messages and schedules share. `undefined` fields are left out of the JSON. */
function optionFields(
  { callback, failureCallback, flowControl, labels, ...options }: MessageOptions,
) {
  return {
    method: options.method,
    retryDelayExpression: options.retryDelay ?? undefined,
    timeout: options.timeout ?? undefined,
    callback: callback?.url,
    failureCallback: failureCallback?.url,
    flowControlKey: flowControl?.key,
    parallelism: flowControl?.parallelism ?? undefined,
    rate: flowControl?.rate ?? undefined,
    period: flowControl ? flowControl.period / 1000 : undefined,
    label: labels[0],
    labels: labels.length > 0 ? labels : undefined,
  };
}

/** The API's documents say `callerIP`, the SDK's types `callerIp`: both get what they read. */
const callerFields = (callerIp: string) => ({ callerIP: callerIp, callerIp });

export async function messageView(message: Message) {
  return {
    messageId: message.messageId,
    url: message.url,
    ...await contentFields(message.options.headers, message.body, message.options.redaction),
    ...optionFields(message.options),
    maxRetries: message.options.retries,
    notBefore: message.notBefore,
    createdAt: message.createdAt,
    queueName: message.queue ?? undefined,
    scheduleId: message.scheduleId ?? undefined,
    ...callerFields(message.callerIp),
  };
}

export async function deadLetterView(letter: DeadLetter) {
  const response = bodyFields(letter.responseBody);
  return {
    dlqId: letter.dlqId,
    ...await messageView(letter.message),
    responseStatus: letter.responseStatus || undefined,
    responseHeader: headerLists(letter.responseHeaders),
    responseBody: response.text,
    responseBodyBase64: response.base64,
  };
}

export async function scheduleView(schedule: Schedule) {
  return {
    scheduleId: schedule.scheduleId,
    cron: schedule.cron,
    createdAt: schedule.createdAt,
    destination: schedule.url,
    ...await contentFields(schedule.options.headers, schedule.body, schedule.options.redaction),
    ...optionFields(schedule.options),
    retries: schedule.options.retries,
    delay: schedule.options.delay / 1000 || undefined,
    queueName: schedule.queue ?? undefined,
    isPaused: schedule.paused,
    lastScheduleTime: schedule.lastAt ?? undefined,
    nextScheduleTime: schedule.nextAt,
    lastScheduleStates: schedule.lastMessageId
      ? { [schedule.lastMessageId]: schedule.lastState }
      : undefined,
    ...callerFields(schedule.callerIp),
  };
}
