//! Every kernel under its function's canonical name.

use super::KernelEntry;
use std::collections::HashMap;
use std::sync::LazyLock;

/// All families, one line each.
const FAMILIES: &[&[KernelEntry]] = &[
    super::arithmetic::KERNELS,
    super::array::KERNELS,
    super::array_sequence::KERNELS,
    super::array_set::KERNELS,
    super::compare::KERNELS,
    super::condition::KERNELS,
    super::element::KERNELS,
    super::math::KERNELS,
    super::round::KERNELS,
    super::system::KERNELS,
    super::date::KERNELS,
    super::date_make::KERNELS,
    super::date_text::KERNELS,
    super::lambda_functions::KERNELS,
    super::hash::KERNELS,
    super::json::KERNELS,
    super::like::KERNELS,
    super::map::KERNELS,
    super::regex::KERNELS,
    super::string::KERNELS,
    super::string_code::KERNELS,
    super::string_format::KERNELS,
    super::string_number::KERNELS,
    super::string_text::KERNELS,
    super::vector::KERNELS,
];

/// The kernel of the function of that canonical name.
pub(super) fn find(name: &str) -> Option<&'static KernelEntry> {
    static BY_NAME: LazyLock<HashMap<&'static str, &'static KernelEntry>> =
        LazyLock::new(|| FAMILIES.iter().flat_map(|family| family.iter()).map(|entry| (entry.name, entry)).collect());
    BY_NAME.get(name).copied()
}

#[cfg(test)]
mod tests {
    use crate::plan::functions::{Kind, Returns, all};

    #[test]
    fn every_function_that_its_table_types_has_a_kernel() {
        let typed = all().filter(|f| f.kind == Kind::Scalar && !matches!(f.returns, Returns::Special));
        let missing: Vec<&str> = typed.map(|f| f.name).filter(|name| super::find(name).is_none()).collect();
        assert!(missing.is_empty(), "no kernel for {missing:?}");
    }

    #[test]
    fn no_two_kernels_share_a_name() {
        let mut names: Vec<&str> = super::FAMILIES.iter().flat_map(|f| f.iter()).map(|entry| entry.name).collect();
        names.sort_unstable();
        let twice: Vec<&str> = names.windows(2).filter(|w| w[0] == w[1]).map(|w| w[0]).collect();
        assert!(twice.is_empty(), "two kernels for {twice:?}");
    }
}
