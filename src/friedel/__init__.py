"""friedel: scattering from atomic models, for X-rays, electrons and neutrons."""
