create schema flywheel;

comment on schema flywheel is
  'Everything internal to the flywheel: streams, fingerprints, leases, settings. Usable by service_role alone.';
