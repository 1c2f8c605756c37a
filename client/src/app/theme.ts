// The look: one brand colour (a deep lagoon green), cool greys, Inter, generous radii, quiet shadows. Components take
// their defaults from here, so that screens stay free of styling decisions.

import {
  ActionIcon,
  Button,
  type CSSVariablesResolver,
  createTheme,
  type MantineColorsTuple,
  Modal,
  PasswordInput,
  Select,
  TextInput,
  Tooltip,
} from '@mantine/core';

const lagoon: MantineColorsTuple = [
  '#e8f8f4',
  '#d2efe8',
  '#a5dfd2',
  '#72cdb9',
  '#46bda4',
  '#26a98f',
  '#0f8f7a',
  '#0c7a6c',
  '#08655a',
  '#044d45',
];

const gray: MantineColorsTuple = [
  '#f7f8f8',
  '#eff1f2',
  '#e3e7e8',
  '#d3d9db',
  '#b4bdc0',
  '#8d999d',
  '#69767b',
  '#4c585d',
  '#323c40',
  '#1d2528',
];

const dark: MantineColorsTuple = [
  '#d5dcde',
  '#b3bec1',
  '#8b989c',
  '#647277',
  '#3a464a',
  '#293336',
  '#1e2629',
  '#171e20',
  '#101416',
  '#0a0d0e',
];

export const theme = createTheme({
  primaryColor: 'lagoon',
  primaryShade: 7,
  colors: { lagoon, gray, dark },
  autoContrast: true,
  fontFamily: '"Inter Variable", Inter, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif',
  fontFamilyMonospace: '"JetBrains Mono Variable", ui-monospace, SFMono-Regular, Menlo, Consolas, monospace',
  headings: {
    fontWeight: '640',
    sizes: {
      h1: { fontSize: '1.625rem', lineHeight: '1.25' },
      h2: { fontSize: '1.25rem', lineHeight: '1.3' },
      h3: { fontSize: '1rem', lineHeight: '1.4' },
    },
  },
  fontSizes: { xs: '0.75rem', sm: '0.8438rem', md: '0.9375rem', lg: '1.0625rem', xl: '1.25rem' },
  radius: { xs: '4px', sm: '6px', md: '9px', lg: '14px', xl: '22px' },
  defaultRadius: 'md',
  shadows: {
    xs: '0 1px 2px rgb(15 30 34 / 6%)',
    sm: '0 1px 2px rgb(15 30 34 / 5%), 0 4px 12px rgb(15 30 34 / 5%)',
    md: '0 2px 4px rgb(15 30 34 / 5%), 0 10px 28px rgb(15 30 34 / 9%)',
    lg: '0 4px 8px rgb(15 30 34 / 6%), 0 18px 48px rgb(15 30 34 / 14%)',
  },
  focusRing: 'auto',
  cursorType: 'pointer',
  respectReducedMotion: true,
  components: {
    Button: Button.extend({ defaultProps: { fw: 560 } }),
    ActionIcon: ActionIcon.extend({ defaultProps: { variant: 'subtle', color: 'gray' } }),
    TextInput: TextInput.extend({ defaultProps: { size: 'md' } }),
    PasswordInput: PasswordInput.extend({ defaultProps: { size: 'md' } }),
    Select: Select.extend({ defaultProps: { size: 'md', allowDeselect: false } }),
    Modal: Modal.extend({
      defaultProps: { centered: true, radius: 'lg', overlayProps: { backgroundOpacity: 0.4, blur: 2 } },
      styles: { title: { fontWeight: 640, fontSize: '1.0625rem' } },
    }),
    // Its first item takes the focus; a placeholder that would is nothing that may stand in a menu.
    Menu: { defaultProps: { withInitialFocusPlaceholder: false } },
    // A <header> outside of the page's own landmarks would be another banner.
    ModalHeader: { defaultProps: { role: 'presentation' } },
    DrawerHeader: { defaultProps: { role: 'presentation' } },
    Tooltip: Tooltip.extend({ defaultProps: { openDelay: 350, withArrow: true } }),
  },
});

/** Surfaces of the layout, on top of Mantine's own variables. */
export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-body': '#ffffff',
    '--mantine-color-text': '#182124',
    '--mantine-color-default-border': '#d6dcde',
    '--mantine-color-default-color': '#182124',
    '--mantine-color-red-light-color': '#a51d1d',
    '--mesh-canvas': 'var(--mantine-color-gray-0)',
    '--mesh-surface': '#ffffff',
    '--mesh-line': '#e4e8e9',
    '--mesh-hover': '#eef1f1',
    '--mesh-selected': '#e2f2ee',
    '--mesh-bubble': '#f1f3f4',
    '--mesh-bubble-mine': '#dff2ed',
    '--mantine-color-dimmed': '#5d6a6f',
    '--mesh-brand': '#0c7a6c',
    '--mantine-color-placeholder': '#66737a',
  },
  dark: {
    '--mantine-color-body': '#151b1d',
    '--mantine-color-text': '#e2e8ea',
    '--mantine-color-lagoon-light': 'rgb(26 160 137 / 18%)',
    '--mantine-color-lagoon-light-hover': 'rgb(26 160 137 / 27%)',
    '--mantine-color-lagoon-light-color': '#86dfce',
    '--mantine-color-red-light-color': '#ff9a96',
    '--mantine-color-orange-light-color': '#ffb970',
    '--mantine-color-default-border': '#323d41',
    '--mesh-canvas': '#101416',
    '--mesh-surface': '#151b1d',
    '--mesh-line': '#262f32',
    '--mesh-hover': '#1f272a',
    '--mesh-selected': '#17332f',
    '--mesh-bubble': '#20282b',
    '--mesh-bubble-mine': '#173a34',
    '--mantine-color-dimmed': '#94a1a6',
    '--mesh-brand': '#3fc4ab',
    '--mantine-color-placeholder': '#8b989c',
  },
});
