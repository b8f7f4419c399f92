grant select on flywheel.user_activity to authenticated, phoenix_analyst;

create policy "Users read their own activity" on flywheel.user_activity
for select to authenticated
using (user_id = (select auth.uid()));

create policy "Analysts read when users were active" on flywheel.user_activity
for select to phoenix_analyst
using (true);
