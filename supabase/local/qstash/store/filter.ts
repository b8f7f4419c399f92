import type { Parameters } from "./database.ts";

/** A condition on the table aliased `m` with its parameters. */
export interface Filter {
  where: string;
  parameters: Parameters;
}

const columns = {
  messageId: "m.message_id",
  messageIds: "m.message_id",
  url: "m.url",
  host: "m.host",
  path: "m.path",
  queueName: "m.queue",
  scheduleId: "m.schedule_id",
  callerIp: "m.caller_ip",
  callerIP: "m.caller_ip",
  flowControlKey: "m.flow_control_key",
  state: "m.state",
  dlqIds: "d.dlq_id",
  responseStatus: "cast(d.response_status as text)",
} as const;

export type FilterField = keyof typeof columns | "label" | "topicName" | "fromDate" | "toDate";

/**
 * One condition from query fields: the values of a field are alternatives, fields must all match.
 *
 * @param time the column that `fromDate` and `toDate` bound, both inclusive.
 */
export function buildFilter(
  fields: Iterable<[FilterField, string[]]>,
  time: "m.created_at" | "m.time" | "d.died_at",
): Filter {
  const conditions = ["true"];
  const parameters: Parameters = {};
  for (const [field, values] of fields) {
    parameters[field] = JSON.stringify(values);
    const isAnyValue = `in (select value from json_each(:${field}))`;
    if (field === "label") {
      conditions.push(`exists (select 1 from json_each(m.labels) l where l.value ${isAnyValue})`);
    } else if (field === "topicName") {
      // There are no URL groups here, so nothing was sent to one.
      conditions.push(`null ${isAnyValue}`);
    } else if (field === "fromDate" || field === "toDate") {
      parameters[field] = Number(values[0]);
      conditions.push(`${time} ${field === "fromDate" ? ">=" : "<="} :${field}`);
    } else {
      conditions.push(`${columns[field]} ${isAnyValue}`);
    }
  }
  return { where: conditions.join(" and "), parameters };
}
