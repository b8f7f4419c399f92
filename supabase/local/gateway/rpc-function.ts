import type postgres from "postgres";

/** A function of schema `public` whose arguments all have names. */
export interface RpcFunction {
  name: string;
  args: { name: string; type: string; hasDefault: boolean }[];
  returns: "void" | "value" | "row" | "set of values" | "set of rows";
}

/**
 * The functions that a call by name may mean, read once and again after each change of the schema.
 *
 * Overloads, variadic functions and those with unnamed arguments are left out.
 */
export async function readFunctions(sql: postgres.Sql): Promise<Map<string, RpcFunction>> {
  const rows = await sql<RpcFunction[]>`
    select
      p.proname as name,
      (
        select coalesce(
          json_agg(
            json_build_object(
              'name', p.proargnames[position],
              'type', format_type(type, null),
              'hasDefault', position > p.pronargs - p.pronargdefaults
            )
            order by position
          ),
          '[]'
        )
        from unnest(p.proargtypes) with ordinality as arguments (type, position)
      ) as args,
      case
        when p.prorettype = 'void'::regtype then 'void'
        else
          case when p.proretset then 'set of ' else '' end
          || case
            -- A function that names its columns answers with them, even if it is a single one.
            when t.typtype = 'c' or p.prorettype = 'record'::regtype or p.proargmodes && '{t,b,o}'
              then 'row'
            else 'value'
          end
          || case when p.proretset then 's' else '' end
      end as returns
    from pg_catalog.pg_proc p
    join pg_catalog.pg_type t on t.oid = p.prorettype
    where p.pronamespace = 'public'::regnamespace
      and p.prokind = 'f'
      and p.provariadic = 0
      -- Input arguments first and every one named, so that positions in proargnames are those of proargtypes.
      and (p.proargmodes is null or p.proargmodes[1:p.pronargs] <@ array['i'::"char"])
      and coalesce(array_length(array_remove(p.proargnames[1:p.pronargs], ''), 1), 0) = p.pronargs`;
  const functions = new Map<string, RpcFunction>();
  const overloaded = new Set<string>();
  for (const row of rows) {
    if (functions.has(row.name)) overloaded.add(row.name);
    functions.set(row.name, row);
  }
  for (const name of overloaded) functions.delete(name);
  return functions;
}

/** Whether the function can be called with exactly these named arguments. */
export function takes(fn: RpcFunction, names: string[]): boolean {
  const known = new Set(fn.args.map((arg) => arg.name));
  return names.every((name) => known.has(name)) &&
    fn.args.every((arg) => arg.hasDefault || names.includes(arg.name));
}
