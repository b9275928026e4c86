CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.hosts (
    id uuid DEFAULT ((gen_random_uuid())::text)::uuid NOT NULL,
    four text DEFAULT '127.0.0.1'::text,
    six text
);
ALTER TABLE ONLY public.hosts
    ADD CONSTRAINT hosts_pkey PRIMARY KEY (id);
CREATE INDEX by_six ON public.hosts USING btree (six);
