"""What adaptation changed in the encoder: tiles -> the encoder watched, plain and adapted -> page.

Attention distances and spectra are those by which Conv-LoRA (Zhong et al. 2024, arXiv:2401.17868)
argues that SAM's encoder lacks local detail, and what it adds.
"""
