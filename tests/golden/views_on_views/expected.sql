CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.t (
    id integer NOT NULL,
    n integer
);
CREATE VIEW public.z_base AS
 SELECT t.id,
    t.n
   FROM public.t
  WHERE (t.n > 1);
CREATE VIEW public.a_top AS
 SELECT z_base.id
   FROM public.z_base
  WHERE (z_base.n > 2);
CREATE VIEW public.m_middle AS
 SELECT b.id,
    a.n
   FROM (public.a_top b
     JOIN public.z_base a ON ((a.id = b.id)));
CREATE VIEW public."Quoted ""View""" AS
 SELECT m_middle.id AS "An Id"
   FROM public.m_middle;
CREATE VIEW public.checked AS
 SELECT t.id,
    t.n
   FROM public.t
  WHERE (t.n > 0)
  WITH CASCADED CHECK OPTION;
ALTER TABLE ONLY public.t
    ADD CONSTRAINT t_pkey PRIMARY KEY (id);
