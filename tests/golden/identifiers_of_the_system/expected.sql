CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.odd (
    id integer NOT NULL,
    ctid_ integer,
    oid integer,
    tableoid_ integer,
    note character varying(5)
);
CREATE TABLE public.others (
    xmin_ integer NOT NULL,
    xmax_ integer,
    cmin_ integer,
    cmax_ integer
);
ALTER TABLE ONLY public.odd
    ADD CONSTRAINT odd_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.others
    ADD CONSTRAINT others_pkey PRIMARY KEY (xmin_);
CREATE INDEX by_ctid ON public.odd USING btree (ctid_);
